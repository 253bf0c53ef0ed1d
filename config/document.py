"""What is generated from the table of keys: docs/configuration.md for readers, attributes.py for the type checker.

`python -m config.document` (`make docs`) writes both; a test says when they are stale.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from config.definition import ConfigKey, Effect, Type
from config.keys import BROKER_KEYS, CLIENT_METRICS_KEYS, GROUP_KEYS, REFUSALS, TOPIC_KEYS, broker_sections

ROOT = Path(__file__).resolve().parents[1]

_PYTHON_TYPES = {
    Type.UNKNOWN: "str",
    Type.BOOLEAN: "bool",
    Type.STRING: "str",
    Type.INT: "int",
    Type.SHORT: "int",
    Type.LONG: "int",
    Type.DOUBLE: "float",
    Type.LIST: "list[str]",
    Type.CLASS: "str",
    Type.PASSWORD: "str",
}

_ATTRIBUTES_HEAD = '''"""Types of NodeConfig's attributes, one a key.

Generated from keys.py by `make docs`; do not edit.
"""

from __future__ import annotations


class BrokerAttributes:
'''

_DOCUMENT_HEAD = """# Configuration

Generated from `config/keys.py` by `make docs`; edit that table.

Keys, types, defaults and allowed values are those of Apache Kafka 4.3.1, and so is what a key means. **Effect** says
what a key does in Barnabas now:

- *yes*: it works.
- *no*: it is read, checked and shown, and harms nobody by having no effect. A file that sets it gets a notice at start.
- *refused*: having no effect, it would weaken security or durability. A value off the default stops the start;
  `--insecure-ignore KEY` lets it pass with a warning.

An unknown key is a warning; a value that is not allowed is an error, before anything is opened. How file, environment
and `--override` come together is told in the README.

Why keys are refused:

"""


def attributes_module() -> str:
    from config.node_config import DERIVED_ATTRIBUTES

    lines = [
        f"    {key.attribute}: {_python_type(key)}"
        for key in sorted(BROKER_KEYS.values())
        if key.attribute not in DERIVED_ATTRIBUTES
    ]
    return _ATTRIBUTES_HEAD + "\n".join(lines) + "\n"


def configuration_document() -> str:
    parts = [_DOCUMENT_HEAD]
    parts += [f"- **{reason}**: {sentence}.\n" for reason, sentence in REFUSALS.items()]
    parts.append("\n# Broker keys\n")
    for title, names in broker_sections():
        keys = [BROKER_KEYS[name] for name in names if not BROKER_KEYS[name].internal]
        if keys:
            parts.append(f"\n## {title}\n\n{_table(keys)}")
    parts.append(f"\n# Topic keys\n\n{_table(key for key in TOPIC_KEYS.values() if not key.internal)}")
    parts.append(f"\n# Group keys\n\n{_table(GROUP_KEYS.values())}")
    parts.append(f"\n# Keys of client metrics\n\n{_table(CLIENT_METRICS_KEYS.values())}")
    return "".join(parts)


def _python_type(key: ConfigKey) -> str:
    python_type = _PYTHON_TYPES[key.type]
    return f"{python_type} | None" if key.default_text is None else python_type


def _table(keys: Iterable[ConfigKey]) -> str:
    head = "| key | type | default | allowed | changes | effect | meaning |\n|---|---|---|---|---|---|---|\n"
    return head + "".join(_row(key) for key in keys)


def _row(key: ConfigKey) -> str:
    effect = {Effect.EFFECT: "yes", Effect.NONE: "no", Effect.REFUSE: f"refused: {key.reason}"}[key.effect]
    default = "*required*" if key.is_required else "null" if key.default_text is None else key.default_text
    cells = (
        f"`{key.name}`",
        key.type.name.lower(),
        default.replace(",", ", "),
        key.allows,
        key.update_mode.value,
        effect,
        key.documentation,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def main() -> None:
    (ROOT / "config" / "attributes.py").write_text(attributes_module(), encoding="utf-8")
    document = ROOT / "docs" / "configuration.md"
    document.parent.mkdir(exist_ok=True)
    document.write_text(configuration_document(), encoding="utf-8")


if __name__ == "__main__":
    main()
