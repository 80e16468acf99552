# The image: Python, and beside it the tree that packaging/rootfs builds. For both architectures:
#   docker buildx build --platform linux/amd64,linux/arm64 -t <registry>/metrics-api:v0.1.0 --push .
#
# The base is named by tag. To pin it, look the digest up and give it with the tag:
#   docker buildx imagetools inspect python:3.11-slim-bookworm        prints "Digest: sha256:…"
#   docker buildx build --build-arg PYTHON=3.11-slim-bookworm@sha256:… …
# What lies on top is the same bytes each time: requirements/runtime.lock names every file by hash. SOURCE_DATE_EPOCH and
# --output type=image,rewrite-timestamp=true make the layers' times equal as well.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
RUN apt-get update && apt-get install --yes --no-install-recommends binutils
WORKDIR /source
COPY LICENSE ./
COPY requirements/runtime.lock requirements/
COPY packaging packaging
COPY metrics_api metrics_api
RUN PYTHON=/usr/local/bin/python3 packaging/rootfs /opt/metrics-api

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="metrics-api" \
      org.opencontainers.image.description="A resource metrics API for Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0"
# Nothing is installed in a running container, and what is not there has no holes.
RUN rm -rf /usr/local/lib/python3*/site-packages/* /usr/local/lib/python3*/ensurepip /usr/local/bin/pip*
COPY --from=build /opt/metrics-api /opt/metrics-api
# Manifests of metrics-server up to 0.3 name the program: `command: [/metrics-server, …]`.
RUN ln -s /opt/metrics-api/bin/metrics-api /metrics-server
ENV PATH=/opt/metrics-api/bin:/usr/local/bin:/usr/bin:/bin
# Any other number does as well: nothing in the image belongs to it, and only --cert-dir is written to.
USER 1000:1000
EXPOSE 10250
# Where the manifests mount what may be written to: --cert-dir is relative when it is not given (metrics-server 0.3).
WORKDIR /tmp
# Without a command, flags mean `serve`: metrics-server's manifest works with the image alone changed.
ENTRYPOINT ["metrics-api"]
