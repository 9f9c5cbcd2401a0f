package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"taskql/graph"
	"taskql/graph/scalar"
	"taskql/internal/account"
	"taskql/internal/config"
	"taskql/internal/database"
	"taskql/internal/graphqlhttp"
	"taskql/internal/live"
	"taskql/internal/viewer"
)

// newAPI returns the handler of the GraphQL endpoint.
func newAPI(cfg Config, services graph.Services, streams *streams, users *authenticator, hub *live.Hub) (*graphqlhttp.Handler, error) {
	api, err := graph.New(graph.Config{
		Services:    services,
		Unavailable: database.IsUnavailable, NothingDone: database.NothingDone,
		UserBusy: database.IsUserBusy, ReadOnly: database.IsReadOnly,
		RequestID:     RequestID,
		Log:           cfg.Log,
		ResponseBytes: cfg.Config.LimitResponseBytes,
		Hub:           hub,
		ResultTimeout: cfg.Config.LimitOperationTime,
		MaxErrors:     cfg.Config.LimitErrors,
	})
	if err != nil {
		return nil, fmt.Errorf("setting up the API: %w", err)
	}
	trusted, err := trustedDocuments(cfg.Config)
	if err != nil {
		return nil, err
	}
	page := ""
	if cfg.Config.Playground {
		page = "/"
	}
	handler, err := graphqlhttp.New(graphqlhttp.Config{
		TrustedDocuments: trusted,
		TrustedOnly:      cfg.Config.TrustedOnly(),

		AutomaticPersistedQueries: cfg.Config.APQ && !cfg.Config.TrustedOnly(),
		Page:                      page,
		Schema:                    api.Schema,
		PresentError:              api.PresentError,
		Recover:                   api.Recover,
		Release:                   api.Release,
		AroundOperations:          withTelemetry(cfg.Telemetry, api.Authorize),
		Introspection:             cfg.Config.Introspection,
		Scalars:                   api.Scalars,
		MaxBodyBytes:              int64(cfg.Config.LimitBodyBytes),
		Timeout:                   cfg.Config.LimitOperationTime,
		WriteTimeout:              writeTimeout,
		Limits:                    limitsOf(cfg.Config),
		Rules:                     graph.Rules(),
		Price:                     price,
		SignedIn:                  signedIn,
		Spend:                     users.spend,
		ReportCost:                cfg.Config.Environment == config.Development,
		ConditionalRequests:       conditionalRequests(cfg, api),
		Subscribe:                 subscribe(api, services.Accounts, hub),
		Streams:                   &streams.registry,
		StreamContext:             streams.context,
		AdmitStream:               streams.admit,
		StreamEnded:               streams.ended,
		Sockets:                   (&sockets{users: users, log: cfg.Log, now: cfg.Now, telemetry: cfg.Telemetry}).config(cfg.Config),
		Observe:                   recordOperation,
		Answered:                  recordAnswer(cfg.Telemetry),
	})
	if err != nil {
		return nil, fmt.Errorf("setting up GraphQL over HTTP: %w", err)
	}
	return handler, nil
}

// subscribe returns how subscriptions are started. The user may have moved to another time zone since the stream's viewer was found,
// while its session had no subscriptions, by which the hub finds the sessions of users who move.
func subscribe(api *graph.API, accounts *account.Service, hub *live.Hub) graphqlhttp.Subscribe {
	return func(ctx context.Context, operation *graphql.OperationContext, cost int, sink graphqlhttp.Sink) (graphqlhttp.Stream, *gqlerror.Error) {
		subscription, err := api.Subscribe(ctx, operation, cost, sink)
		if err != nil {
			return nil, err
		}
		if v, noViewer := viewer.FromContext(ctx); noViewer == nil {
			if zone, known := accounts.Zone(v.UserID); !known || zone.String() != v.Location.String() {
				hub.VerifyUser(v.UserID)
			}
		}
		return subscription, nil
	}
}

// conditionalRequests returns the configuration of entity tags. They contain the build, because another build may give other
// answers. A build from changed sources has no unique version, so it gets a random one at each start.
func conditionalRequests(cfg Config, api *graph.API) graphqlhttp.ConditionalRequests {
	build := cfg.Version.Version + " " + cfg.Version.Commit
	if cfg.Version.Commit == "" || strings.HasSuffix(cfg.Version.Version, "-dirty") {
		build = rand.Text()
	}
	return graphqlhttp.ConditionalRequests{
		Validator: func(operation *graphql.OperationContext) graphqlhttp.Validator { return api.Validator(operation) },
		Build:     build,
		Now:       cfg.Now,
	}
}

// CheckTrustedDocuments returns all errors in the manifest of trusted documents, or nil if there is none. It needs no database,
// so that a bad manifest is found before the database is migrated.
func CheckTrustedDocuments(cfg config.Config) error {
	documents, err := trustedDocuments(cfg)
	if invalid := graphqlhttp.CheckTrusted(graph.Schema(), scalar.Checks(), graph.Rules(), documents); invalid != nil {
		err = errors.Join(err, fmt.Errorf("checking TRUSTED_DOCUMENTS_FILE %s: %w", cfg.TrustedDocumentsFile, invalid))
	}
	return err
}

// trustedDocuments reads the manifest, if one is configured. It may return both an error and the documents that it could read.
func trustedDocuments(cfg config.Config) ([]graphqlhttp.TrustedDocument, error) {
	if cfg.TrustedDocuments == "off" {
		return nil, nil
	}
	manifest, err := os.ReadFile(cfg.TrustedDocumentsFile)
	if err != nil {
		return nil, fmt.Errorf("reading TRUSTED_DOCUMENTS_FILE: %w", err)
	}
	trusted, err := graphqlhttp.ParseManifest(manifest)
	if err != nil {
		return trusted, fmt.Errorf("reading TRUSTED_DOCUMENTS_FILE %s: %w", cfg.TrustedDocumentsFile, err)
	}
	return trusted, nil
}

// recordOperation adds the operation to the access log.
func recordOperation(ctx context.Context, op graphqlhttp.OperationInfo) {
	info := infoOf(ctx)
	info.operationName, info.operationType = op.Name, op.Type
}
