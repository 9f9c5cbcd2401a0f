FROM golang:1.26-bookworm AS build
WORKDIR /src
ENV CGO_ENABLED=0 GOFLAGS=-buildvcs=false

# The modules are a layer of their own: they are fetched again only when go.mod or go.sum change.
COPY go.mod go.sum ./
RUN go mod download

COPY . .
# Railway hands the commit to the build under this name.
ARG RAILWAY_GIT_COMMIT_SHA=""
ARG VERSION=""
RUN go build -trimpath \
    -ldflags "-s -w -X main.version=${VERSION:-${RAILWAY_GIT_COMMIT_SHA:-dev}} -X main.commit=${RAILWAY_GIT_COMMIT_SHA}" \
    -o /out/server ./cmd/server

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/server /server
# Nobody's, as a number, so that the platform can see that it is not root.
USER 65532:65532
ENV PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["/server", "health"]
ENTRYPOINT ["/server"]
