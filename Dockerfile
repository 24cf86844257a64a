# syntax=docker/dockerfile:1
# Targets: `gateway` (REST and gRPC; neither torch nor training code) and `export` (writes model repositories, with torch).

FROM python:3.11-slim AS base
ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
# Packages go into an environment of their own, which is all that a final image takes over.
RUN python -m venv --without-pip /opt/red-align \
    && useradd --no-log-init --uid 10001 --no-create-home --shell /usr/sbin/nologin red
ENV PATH=/opt/red-align/bin:$PATH
COPY pyproject.toml README.md LICENSE ./
COPY deploy/server deploy/server
COPY red_align red_align
COPY service service

FROM base AS gateway-environment
COPY deploy/images/trim.sh deploy/images/trim.sh
RUN pip --python /opt/red-align/bin/python install . ./deploy/server \
    && rm -f /opt/red-align/bin/red-export \
    && sh deploy/images/trim.sh /opt/red-align

FROM python:3.11-slim AS gateway
COPY --from=gateway-environment /opt/red-align /opt/red-align
# Uploads are read from the folder; everything else may be mounted read-only.
RUN useradd --no-log-init --uid 10001 --no-create-home --shell /usr/sbin/nologin red \
    && install -d -o red -g nogroup -m 0700 /var/tmp/red-align
ENV PATH=/opt/red-align/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    RED_HOST=0.0.0.0 \
    RED_HTTP_PORT=8080 \
    RED_GRPC_PORT=8081 \
    RED_TEMP_DIR=/var/tmp/red-align
EXPOSE 8080 8081
USER 10001
HEALTHCHECK --interval=5s --timeout=3s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:%s/readyz' % os.environ['RED_HTTP_PORT'], timeout=2)"]
STOPSIGNAL SIGTERM
CMD ["red-align", "serve"]

FROM base AS export
# The build for CPUs: without the index pip takes gigabytes of CUDA. A local index or a folder does as well.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY red red
COPY export export
COPY evaluation evaluation
# A new volume takes its owner from the folder that it is mounted on.
# hadolint ignore=DL3013
RUN pip --python /opt/red-align/bin/python install --index-url "${TORCH_INDEX}" torch==2.13.0 \
    && pip --python /opt/red-align/bin/python install . './deploy/server[export]' \
    && install -d -o red /models
# What the graphs were made of: a repository is compared with torch before it is served.
COPY training/edge-4/weights.pt training/edge-4/weights.pt
ENV PYTHONDONTWRITEBYTECODE=1
USER 10001
ENTRYPOINT ["red-export"]
CMD ["--help"]
