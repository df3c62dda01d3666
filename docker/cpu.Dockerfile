# hpo and its trainer on the CPU. From the root of the repository:
#     docker build -f docker/cpu.Dockerfile -t hpo .
#     docker run --rm -v "$PWD:/data" -u "$(id -u):$(id -g)" hpo search my-study.toml
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends g++ make python3-pip npm && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN make dist && mkdir /opt/hpo && tar -xzf dist/hpo-*.tar.gz -C /opt/hpo --strip-components=1

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends libstdc++6 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/hpo /opt/hpo
ENV PATH=/opt/hpo/bin:$PATH
WORKDIR /data
ENTRYPOINT ["hpo"]
