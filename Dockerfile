# docker build -t restore .
# docker run --rm -v "$PWD:/photos" restore upscale -x2 /photos/in -o /photos/out
# With an NVIDIA GPU: docker build --build-arg TORCH_INDEX=https://pypi.org/simple -t restore . ; docker run --gpus all …
FROM python:3.13-slim

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /src
RUN pip install --index-url "$TORCH_INDEX" "torch>=2.6"
COPY pyproject.toml README.md LICENSE ./
COPY weights ./weights
COPY restorecli ./restorecli
RUN pip install . && useradd --create-home --uid 1000 restore

USER 1000
WORKDIR /photos
# Weights that are downloaded, and what was measured of the machine; mount a volume here to keep them.
ENV RESTORE_WEIGHTS_DIR=/home/restore/weights RESTORE_CACHE_DIR=/home/restore/measurements
ENTRYPOINT ["restore"]
CMD ["--help"]
