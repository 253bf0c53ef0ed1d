# The node in an image: `docker build -t barnabas .`
# Configured by the variables of the apache/kafka image (KAFKA_*, CLUSTER_ID), or by `serve FILE`; data in
# /var/lib/barnabas/data, unless KAFKA_LOG_DIRS says otherwise. Runs without privileges, on a read-only root too.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# For the compiled helper of protocol/records; the headers of Python are Debian's where the image has Debian's Python.
RUN apt-get update \
    && if [ "$(python3 -c 'import sys; print(sys.base_prefix)')" = /usr ]; then headers=libpython3-dev; fi \
    && apt-get install -y --no-install-recommends gcc libc6-dev ${headers:-} \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv --without-pip /opt/barnabas
COPY . /src
RUN python3 -m pip --python /opt/barnabas/bin/python3 install --no-cache-dir --no-warn-script-location /src

FROM ${PYTHON_IMAGE}
RUN useradd --uid 1000 --user-group --no-create-home --home-dir /var/lib/barnabas --shell /usr/sbin/nologin barnabas \
    && install -d -o barnabas -g barnabas /var/lib/barnabas /var/lib/barnabas/data
COPY --from=build /opt/barnabas /opt/barnabas
COPY docker/entrypoint.sh docker/ready.py /opt/barnabas/docker/
# Metrics and health are for other containers; who does not publish the port keeps them from everyone else.
ENV PATH=/opt/barnabas/bin:$PATH KAFKA_METRICS_HOST=0.0.0.0
USER barnabas
WORKDIR /var/lib/barnabas
VOLUME /var/lib/barnabas/data
EXPOSE 9092 9404
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=3 CMD ["python3", "/opt/barnabas/docker/ready.py"]
ENTRYPOINT ["sh", "/opt/barnabas/docker/entrypoint.sh"]
CMD ["serve"]
