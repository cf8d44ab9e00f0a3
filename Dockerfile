# An image for any of the platforms linux/amd64, linux/arm64, linux/arm/v7 and linux/arm/v6, or for all at once:
#
#     docker buildx build --platform linux/amd64,linux/arm64,linux/arm/v7,linux/arm/v6 .
#
# It is built on the machine's own platform, without emulation.
FROM --platform=$BUILDPLATFORM rust:1.95-slim-bookworm AS build
ARG TARGETARCH
ARG TARGETVARIANT
WORKDIR /src
COPY . .
RUN case "$TARGETARCH/$TARGETVARIANT" in \
        amd64/*) arch=amd64 ;; \
        arm64/*) arch=aarch64 ;; \
        arm/v7) arch=armv7hf ;; \
        arm/v6) arch=rpi ;; \
        *) echo "there is no build for linux/$TARGETARCH/$TARGETVARIANT" >&2; exit 2 ;; \
    esac \
    && packaging/build --no-check "$arch" \
    && mv "dist/balena-agent-$arch" /balena-agent

FROM scratch
COPY --from=build /balena-agent /usr/bin/balena-agent
HEALTHCHECK --interval=30s --timeout=6s --start-period=20s CMD ["/usr/bin/balena-agent", "healthcheck"]
ENTRYPOINT ["/usr/bin/balena-agent"]
CMD ["run"]
