"""The HEALTHCHECK of the image: 0 if the node in this container serves its clients, else 1 and the reason."""

import http.client
import os
import sys

PORT = int(os.environ.get("KAFKA_METRICS_PORT") or 9404)


def main() -> int:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=3)
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        sys.stdout.write(answer.read().decode())
    except OSError as error:
        sys.stdout.write(f"port {PORT}: {error}\n")
        return 1
    return 0 if answer.status == http.client.OK else 1


if __name__ == "__main__":
    sys.exit(main())
