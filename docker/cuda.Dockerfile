# hpo and its trainer on GPUs, with the libtorch of PyTorch's CUDA wheel. From the root of the repository:
#     docker build -f docker/cuda.Dockerfile -t hpo-cuda .
#     docker run --rm --gpus all -v "$PWD:/data" -u "$(id -u):$(id -g)" hpo-cuda search my-study.toml
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends g++ make python3-pip python3-venv && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/torch && /opt/torch/bin/pip install --no-cache-dir torch==2.13.0 numpy
WORKDIR /source
COPY . .
# The trainer looks for libtorch where the wheel has it, and that for CUDA's libraries beside itself.
RUN PATH=/opt/torch/bin:$PATH LIBTORCH_USE_PYTORCH=1 cargo build --locked --release -p hpo -p hpo-trial-embedding

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends libstdc++6 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/torch/lib /opt/torch/lib
COPY --from=build /source/target/release/hpo /source/target/release/hpo-trial-embedding /opt/hpo/bin/
ENV PATH=/opt/hpo/bin:$PATH NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /data
ENTRYPOINT ["hpo"]
