# The operator's image for those who build with Docker, Podman or buildah: `docker build -t serinus .`
# It holds the files of `make image`, layer by layer, and is made by the same code; the build fetches from Debian and PyPI.
ARG DEBIAN=debian:bookworm-slim
FROM ${DEBIAN} AS build
RUN apt-get update && apt-get install --yes --no-install-recommends mmdebstrap python3 python3-pip
WORKDIR /src
COPY . .
RUN PYTHONPATH=operator python3 -m serinus_local image --files /layers

FROM scratch
COPY --from=build /layers/base/ /
COPY --from=build /layers/dependencies/ /
COPY --from=build /layers/code/ /
ENV PATH=/usr/local/bin:/usr/bin:/bin PYTHONPATH=/opt/serinus PYTHONUNBUFFERED=1
LABEL org.opencontainers.image.title=serinus org.opencontainers.image.licenses=Apache-2.0
USER 65532:65532
ENTRYPOINT ["python", "-m", "serinus"]
CMD ["run"]
