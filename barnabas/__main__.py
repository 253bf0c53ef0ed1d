"""Entry point of the installed command.

The broker's packages have generic top-level names (`broker`, `config`, ...), so the wheel carries them in
`barnabas/_app`, out of the way of the user's own packages; in a checkout they lie beside this folder. Either
way their parent goes first on `sys.path` before `broker` is imported.
"""

import sys
from pathlib import Path


def main() -> int:
    here = Path(__file__).resolve().parent
    app = here / "_app"
    sys.path.insert(0, str(app if app.is_dir() else here.parent))
    from broker.__main__ import main as broker_main

    return broker_main()


if __name__ == "__main__":
    sys.exit(main())
