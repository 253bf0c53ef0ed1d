# A node of which nothing is said is to be found from outside its container, as with the apache/kafka image: it
# advertises localhost:9092, and so listens on every interface. With anything said, all is as it was said.
set -eu
if [ "$*" = serve ] && [ -z "${KAFKA_PROCESS_ROLES:-}${KAFKA_LISTENERS:-}${KAFKA_ADVERTISED_LISTENERS:-}" ]; then
    export KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://localhost:9092
fi
exec barnabas "$@"
