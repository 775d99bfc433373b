# The operator's image: `docker build -t serinus .`; the chart's `image` values point at where you push it.
FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements/runtime.txt requirements/
RUN pip install --no-cache-dir --require-hashes --target /opt/serinus -r requirements/runtime.txt
# Copied, not built: a build would fetch a build backend that no hash pins.
COPY operator/serinus /opt/serinus/serinus
COPY LICENSE /opt/serinus/
RUN python -m compileall -q /opt/serinus/serinus

FROM python:3.11-slim
COPY --from=build /opt/serinus /opt/serinus
ENV PYTHONPATH=/opt/serinus PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["python", "-m", "serinus"]
CMD ["run"]
