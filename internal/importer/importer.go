// Package importer copies tasks, tags and categories from databases of the original FastAPI back end into the workspaces of their users.
// It inspects the tables of the source, because they differ between installations. An import can be repeated: rows that exist
// here already stay as they are.
package importer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"taskql/ent"
	// Registers ent's privacy policies.
	_ "taskql/ent/runtime"
	"taskql/ent/userremoval"
	"taskql/internal/account"
	"taskql/internal/betterauth"
	"taskql/internal/database"
	"taskql/internal/task"
	"taskql/internal/timezone"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// batchSize is how many tasks are imported in one transaction. It holds the workspace's lock for tens of milliseconds, which
// does not disturb a server that changes the same workspace.
const batchSize = 200

// lockWait is how long a batch waits for the lock of a workspace that a server is changing.
const lockWait = time.Minute

// maxUserID is the length of the longest user id, in bytes. PostgreSQL's index entries are limited to about twice that.
const maxUserID = 1000

// ErrIncomplete is returned if some rows were not imported, or were changed on import. The report lists them.
var ErrIncomplete = errors.New("not everything was taken")

// Config configures an import.
type Config struct {
	// From is the URL of the source, a PostgreSQL database. It is only read.
	From string
	// DB is this server's database. It must be migrated.
	DB *database.DB
	// Users are the ids of the users whose tasks, tags and categories are copied; those of all users if it is empty. They need not be in the
	// source's table of users.
	Users []string
	// DryRun reports what an import would do, and changes nothing.
	DryRun bool
	// Verbose lists all affected rows in the report. Default: at most ten for each reason.
	Verbose bool
	// MaxTasks, MaxTags, MaxTagsPerTask and MaxProjects are the limits of a workspace, as in task.Limits.
	MaxTasks, MaxTags, MaxTagsPerTask, MaxProjects int
	// Out receives the report, and Progress lines about the progress. If Terminal is set, each line overwrites the last one.
	Out, Progress io.Writer
	Terminal      bool
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// Log receives warnings while a database is not reachable yet.
	Log *slog.Logger
}

// run is one import.
type run struct {
	Config

	client   *ent.Client
	accounts *account.Service
	tasks    *task.Service
	source   *source
	report   *report
	progress *progress
}

// Run imports tasks, tags and categories, which become projects. It returns ErrIncomplete if some rows were not imported or were changed. After any other error,
// another Run with the same Config continues the import.
func Run(ctx context.Context, c Config) error {
	if c.Now == nil {
		c.Now = time.Now
	}
	ctx = viewer.AsSystem(ctx)
	if err := checkSource(c.From); err != nil {
		return err
	}
	from, err := database.Open(ctx, database.Config{URL: c.From, ReadOnly: true, MaxOpenConns: 1, Log: c.Log})
	if err != nil {
		return fmt.Errorf("opening the source: %w", err)
	}
	err = c.importFrom(ctx, from)
	if closing := from.Close(); closing != nil {
		err = errors.Join(err, fmt.Errorf("closing the source: %w", closing))
	}
	return err
}

// checkSource returns an error if from is not the URL of a PostgreSQL database.
func checkSource(from string) error {
	if err := database.CheckURL(from); err != nil {
		return fmt.Errorf("reading the address of the source: %w", err)
	}
	if strings.HasPrefix(strings.ToLower(strings.TrimSpace(from)), "sqlite") {
		return errors.New("reading the address of the source: it must be a PostgreSQL database, postgres://…")
	}
	return nil
}

func (c Config) importFrom(ctx context.Context, from *database.DB) error {
	src, err := openSource(ctx, from.SQL)
	if err != nil {
		return err
	}
	defer func() { _ = src.tx.Rollback() }() // The transaction is read-only.
	db := workspace.NewDatabase(c.DB.Driver(), c.DB.QueryRaw)
	db.Now = c.Now
	if _, err := db.Client.UserRemoval.Query().Exist(ctx); err != nil { // The newest table: is the database migrated?
		return fmt.Errorf("looking at %s, which `server migrate` makes ready: %w", c.DB, err)
	}
	accounts, err := account.New(account.Config{Client: db.Client, Now: c.Now})
	if err != nil {
		return fmt.Errorf("setting up accounts: %w", err)
	}
	workspaces, err := workspace.New(workspace.Config{Database: db, LockWait: lockWait})
	if err != nil {
		return fmt.Errorf("setting up workspaces: %w", err)
	}
	tasks, err := task.New(task.Config{
		Workspaces: workspaces,
		Limits:     task.Limits{Tasks: c.MaxTasks, Tags: c.MaxTags, TagsPerTask: c.MaxTagsPerTask, Projects: c.MaxProjects},
	})
	if err != nil {
		return fmt.Errorf("setting up tasks: %w", err)
	}
	total, err := src.countTasks(ctx, c.Users)
	if err != nil {
		return err
	}
	r := &run{
		Config: c, client: db.Client, accounts: accounts, tasks: tasks, source: src,
		report: newReport(c.DryRun, c.Verbose), progress: &progress{out: c.Progress, terminal: c.Terminal, now: c.Now, total: total},
	}
	if err := r.copyAll(ctx); err != nil {
		r.progress.end()
		return fmt.Errorf("%w\nwhat was taken stays; give the same command again to go on", err)
	}
	r.progress.end()
	if err := r.report.write(c.Out); err != nil {
		return err
	}
	if r.report.incomplete() {
		return ErrIncomplete
	}
	return nil
}

// copyAll copies what there is of all users in Config.Users, or of all users.
func (r *run) copyAll(ctx context.Context) error {
	owners, err := r.source.owners(ctx)
	if err != nil {
		return err
	}
	found := map[string]bool{}
	for _, o := range owners {
		if len(r.Users) > 0 && !slices.Contains(r.Users, o.id()) {
			continue
		}
		found[o.id()] = true
		if err := r.copyOwner(ctx, o); err != nil {
			return fmt.Errorf("user %q: %w", o.id(), err)
		}
	}
	for _, id := range r.Users {
		if !found[id] {
			r.report.refuse("user", id, "there is nothing of this user in the source")
		}
	}
	if len(r.Users) > 0 {
		return nil // Rows without a user are reported by imports of all users.
	}
	strays, err := r.source.orphans(ctx)
	if err != nil {
		return err
	}
	for what, n := range strays {
		r.report.orphan(what, n)
	}
	return nil
}

// copied are the ids here of an owner's tags and categories.
type copied struct {
	// tags are by their ids in the source, and projects by the categories' keys.
	tags, projects map[string]uuid.UUID
}

// copyOwner copies one user's tags, categories and tasks.
func (r *run) copyOwner(ctx context.Context, o owner) error {
	if reason := r.rejectReason(o); reason != "" {
		return r.refuse(ctx, o, reason)
	}
	switch erased, err := r.client.UserRemoval.Query().Where(userremoval.ID(viewer.UserHash(o.id()))).Exist(ctx); {
	case err != nil:
		return fmt.Errorf("looking for erased users: %w", err)
	case erased:
		return r.refuse(ctx, o, "the user was erased here a short while ago")
	}
	v, err := r.viewer(ctx, o)
	if err != nil {
		return err
	}
	r.report.users++
	var c copied
	if c.tags, err = r.copyTags(ctx, v, o); err != nil {
		return err
	}
	if c.projects, err = r.copyCategories(ctx, v, o); err != nil {
		return err
	}
	seen, planned := map[uuid.UUID]bool{}, 0
	return r.source.tasksOf(ctx, o, batchSize, func(rows []sourceTask) error {
		n, err := r.copyTasks(ctx, v, rows, c, task.ImportOptions{DryRun: r.DryRun, Planned: planned}, seen)
		if r.DryRun {
			planned += n
		}
		r.progress.add(len(rows))
		return err
	})
}

// refuse reports that an owner and all of the owner's tags, categories and tasks are not imported.
func (r *run) refuse(ctx context.Context, o owner, reason string) error {
	const because = "its user was not taken"
	r.report.refuse("user", o.id(), reason)
	tags, err := r.source.tagsOf(ctx, o)
	if err != nil {
		return err
	}
	for _, row := range tags {
		r.report.refuse("tag", row.id.String, because)
	}
	categories, err := r.source.categoriesOf(ctx, o)
	if err != nil {
		return err
	}
	for _, row := range categories {
		r.report.refuse("category", row.label(), because)
	}
	return r.source.tasksOf(ctx, o, batchSize, func(rows []sourceTask) error {
		for _, row := range rows {
			r.report.refuse("task", row.id.String, because)
		}
		r.progress.add(len(rows))
		return nil
	})
}

// rejectReason returns why an owner can't be imported; "" if the owner can.
func (r *run) rejectReason(o owner) string {
	switch {
	case strings.TrimSpace(o.id()) == "":
		return "the user's id is empty"
	case !utf8.ValidString(o.id()):
		return "the user's id is not UTF-8"
	case len(o.id()) > maxUserID:
		return fmt.Sprintf("the user's id has more than %d bytes", maxUserID)
	case o.user == nil && r.source.users.name != "" && len(r.Users) == 0:
		return "there is no such user in the source's table of users; --user takes one all the same"
	default:
		return ""
	}
}

// viewer returns an owner's viewer. It creates the user if there is none, except in a dry run. An existing user is not changed.
func (r *run) viewer(ctx context.Context, o owner) (viewer.Viewer, error) {
	v := viewer.Viewer{UserID: o.id(), WorkspaceID: workspace.PersonalID(o.id()), Role: viewer.RoleAdmin, Location: time.UTC}
	row, err := r.client.User.Get(ctx, o.id())
	switch {
	case ent.IsNotFound(err):
		user, noted := r.sessionUser(o)
		r.report.note("user", o.id(), noted)
		if r.DryRun {
			return v, nil
		}
		return r.accounts.Viewer(ctx, &betterauth.Session{User: user})
	case err != nil:
		return viewer.Viewer{}, fmt.Errorf("reading the user: %w", err)
	}
	if zone, err := timezone.Load(row.TimeZone); err == nil {
		v.Location = zone
	}
	return v, nil
}

// sessionUser returns an owner as the user of a session. Values that the source lacks, or that can't be used, are set by the
// user's first real session.
func (r *run) sessionUser(o owner) (betterauth.User, notes) {
	if o.user == nil {
		return betterauth.User{ID: o.id()}, nil
	}
	var n notes
	user := betterauth.User{
		ID: o.user.id, Name: n.utf8(r.source.userName, o.user.name), Email: n.utf8(r.source.userEmail, o.user.email),
		CreatedAt: n.time("the time it was made", r.source.userCreated, o.user.created),
	}
	if o.user.image != nil {
		if image := n.utf8(r.source.userImage, *o.user.image); image != "" {
			user.Image = &image
		}
	}
	return user, n
}

// copyTags imports the owner's tags and returns their ids here, by their ids in the source.
func (r *run) copyTags(ctx context.Context, v viewer.Viewer, o owner) (map[string]uuid.UUID, error) {
	rows, err := r.source.tagsOf(ctx, o)
	if err != nil {
		return nil, err
	}
	tags, noted, from := make([]task.ImportedTag, 0, len(rows)), make([]notes, 0, len(rows)), make([]string, 0, len(rows))
	for _, row := range rows {
		if reason := encodingProblem(columnText{r.source.tagName, row.name.String}); reason != "" {
			r.report.refuse("tag", row.id.String, reason)
			continue
		}
		t, n := r.source.tag(row, v.UserID)
		tags, noted, from = append(tags, t), append(noted, n), append(from, row.id.String)
	}
	if len(tags) == 0 {
		return map[string]uuid.UUID{}, nil
	}
	outcomes, err := r.tasks.ImportTags(ctx, v, tags, task.ImportOptions{DryRun: r.DryRun})
	if err != nil {
		return nil, err
	}
	ids := make(map[string]uuid.UUID, len(rows))
	for i, outcome := range outcomes {
		r.report.add("tag", from[i], outcome, noted[i])
		if len(outcome.Problems) == 0 {
			ids[canonicalID(from[i])] = outcome.ID
		}
	}
	return ids, nil
}

// copyTasks imports a batch and returns how many of its tasks are new.
func (r *run) copyTasks(
	ctx context.Context, v viewer.Viewer, rows []sourceTask, c copied, o task.ImportOptions, seen map[uuid.UUID]bool,
) (int, error) {
	tasks, noted, ids := make([]task.ImportedTask, 0, len(rows)), make([]notes, 0, len(rows)), make([]string, 0, len(rows))
	for _, row := range rows {
		t, n := r.source.task(row, v.UserID, v.Location, c)
		if seen[t.ID] {
			r.report.refuse("task", row.id.String, "another task of the source has the same id")
			continue
		}
		if reason := encodingProblem(columnText{r.source.title, row.title.String}, columnText{r.source.description, row.description.String}); reason != "" {
			r.report.refuse("task", row.id.String, reason)
			continue
		}
		seen[t.ID] = true
		tasks, noted, ids = append(tasks, t), append(noted, n), append(ids, row.id.String)
	}
	outcomes, err := r.tasks.ImportTasks(ctx, v, tasks, o)
	if err != nil {
		return 0, err
	}
	taken := 0
	for i, outcome := range outcomes {
		r.report.add("task", ids[i], outcome, noted[i])
		if !outcome.Known && len(outcome.Problems) == 0 {
			taken++
		}
	}
	return taken, nil
}
