# Two static binaries in an empty image, for clusters whose owners build with a
# container engine. `make image` builds the same image without one.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ARG TARGETOS TARGETARCH VERSION=dev
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY api api
COPY cmd cmd
COPY config/crd config/crd
COPY controllers controllers
COPY prober prober
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /out/ ./cmd/netladder ./cmd/netladder-prober

FROM scratch
COPY --from=build /out/netladder /out/netladder-prober /
USER 65532:65532
ENTRYPOINT ["/netladder"]
