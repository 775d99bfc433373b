# Our images for those who build with Docker, Podman or buildah: the operator's by `docker build -t serinus .`, what fetches
# models by `docker build -t serinus-serving --target serving .`.
# Each holds the files of `make image`, layer by layer, and is made by the same code; the build fetches from Debian and PyPI.
ARG DEBIAN=debian:bookworm-slim
FROM ${DEBIAN} AS source
RUN apt-get update && apt-get install --yes --no-install-recommends mmdebstrap python3 python3-pip
WORKDIR /src
COPY . .

FROM source AS serving-files
RUN PYTHONPATH=operator python3 -m serinus_local image serving --files /layers

FROM scratch AS serving
COPY --from=serving-files /layers/base/ /
COPY --from=serving-files /layers/programs/ /
COPY --from=serving-files /layers/dependencies/ /
COPY --from=serving-files /layers/code/ /
ENV PATH=/usr/local/bin:/usr/bin:/bin PYTHONPATH=/opt/serinus PYTHONUNBUFFERED=1
LABEL org.opencontainers.image.title=serinus-serving org.opencontainers.image.licenses=Apache-2.0
USER 65532:65532
ENTRYPOINT ["serinus-fetch"]

FROM source AS operator-files
RUN PYTHONPATH=operator python3 -m serinus_local image --files /layers

FROM scratch AS operator
COPY --from=operator-files /layers/base/ /
COPY --from=operator-files /layers/dependencies/ /
COPY --from=operator-files /layers/code/ /
ENV PATH=/usr/local/bin:/usr/bin:/bin PYTHONPATH=/opt/serinus PYTHONUNBUFFERED=1
LABEL org.opencontainers.image.title=serinus org.opencontainers.image.licenses=Apache-2.0
USER 65532:65532
ENTRYPOINT ["python", "-m", "serinus"]
CMD ["run"]
