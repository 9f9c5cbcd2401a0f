package project_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/tombstone"
	"taskql/internal/project"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// env has the projects of alice, and a clock that advances by a second with each change.
type env struct {
	*project.Service

	t          *testing.T
	client     *ent.Client
	workspaces *workspace.Service
	ctx        context.Context //nolint:containedctx // The system's, in every call.
	v          viewer.Viewer
	now        time.Time
}

// eachEnv runs a test on both databases.
func eachEnv(t *testing.T, limits project.Limits, test func(e *env)) {
	t.Helper()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		e := &env{t: t, client: db.Client, ctx: viewer.AsSystem(t.Context()), v: testkit.MakeViewer(t, db.Client, "alice")}
		e.now = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
		db.Now = func() time.Time { e.now = e.now.Add(time.Second); return e.now }
		e.workspaces = testkit.Workspaces(t, db)
		var err error
		e.Service, err = project.New(project.Config{Workspaces: e.workspaces, Limits: limits})
		e.check(err)
		test(e)
	})
}

func (e *env) check(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

// project makes a project.
func (e *env) project(name string) *ent.Project {
	e.t.Helper()
	r, err := e.Create(e.ctx, e.v, project.CreateInput{Name: name})
	e.check(err)
	if len(r.UserErrors) > 0 {
		e.t.Fatal(refusal(r.UserErrors))
	}
	return r.Project
}

// section makes a section.
func (e *env) section(p *ent.Project, name string) *ent.Section {
	e.t.Helper()
	r, err := e.CreateSection(e.ctx, e.v, project.CreateSectionInput{ProjectID: p.ID.String(), Name: name})
	e.check(err)
	if len(r.UserErrors) > 0 {
		e.t.Fatal(refusal(r.UserErrors))
	}
	return r.Section
}

// change makes a change of alice's workspace.
func (e *env) change(fn func(tx *workspace.Tx) error) {
	e.t.Helper()
	e.check(e.workspaces.Apply(e.ctx, e.v, workspace.Counter{}, fn))
}

// trash puts projects into the trash, and archive into the archive.
func (e *env) trash(projects ...*ent.Project) {
	e.t.Helper()
	for _, p := range projects {
		e.change(func(tx *workspace.Tx) error { return project.Trash(e.ctx, tx, p, true) })
	}
}

func (e *env) archive(p *ent.Project) {
	e.t.Helper()
	e.change(func(tx *workspace.Tx) error { return project.Archive(e.ctx, tx, p, true) })
}

// version is the version of alice's workspace.
func (e *env) version() int {
	e.t.Helper()
	version, err := e.workspaces.Version(e.ctx, e.v)
	e.check(err)
	return version
}

// refusal returns the codes and fields of user errors.
func refusal(errs []*workspace.UserError) string {
	all := make([]string, len(errs))
	for i, err := range errs {
		all[i] = strings.TrimSpace(fmt.Sprint(err.Code, " ", strings.Join(err.Field, ".")))
		if err.Message == "" {
			all[i] += " without a message"
		}
	}
	return strings.Join(all, ", ")
}

func set(text string) workspace.Optional[*string] {
	return workspace.Optional[*string]{Set: true, Value: &text}
}

var null = workspace.Optional[*string]{Set: true} //nolint:gochecknoglobals // A constant.

// textCases are names and descriptions, with what is stored or the refusal.
type textCase struct{ name, in, want string }

var nameCases = []textCase{ //nolint:gochecknoglobals // A table.
	{"trimmed", "  Work \t", "Work"},
	{"at the limit", strings.Repeat("é", project.MaxName), strings.Repeat("é", project.MaxName)},
	{"each code point counts", strings.Repeat("👩‍👩‍👧", project.MaxName), "TOO_LONG input.name"},
	{"empty", "", "BLANK input.name"},
	{"spaces", " \u00a0\u2003 ", "BLANK input.name"},
	{"too long", strings.Repeat("x", project.MaxName+1), "TOO_LONG input.name"},
	{"two lines", "one\ntwo", "INVALID input.name"},
	{"a control character", "one\x00", "INVALID input.name"},
}

// Names of projects and sections are checked when they are made and when they are changed.
func TestNames(t *testing.T) {
	t.Parallel()
	eachEnv(t, project.Limits{}, func(e *env) {
		p := e.project("to rename")
		s := e.section(p, "to rename")
		for _, c := range nameCases {
			made, err := e.Create(e.ctx, e.v, project.CreateInput{Name: c.in})
			e.check(err)
			changed, err := e.Update(e.ctx, e.v, project.UpdateInput{ID: p.ID.String(), Name: set(c.in)})
			e.check(err)
			section, err := e.CreateSection(e.ctx, e.v, project.CreateSectionInput{ProjectID: p.ID.String(), Name: c.in})
			e.check(err)
			renamed, err := e.UpdateSection(e.ctx, e.v, project.UpdateSectionInput{ID: s.ID.String(), Name: set(c.in)})
			e.check(err)
			for i, errs := range [][]*workspace.UserError{made.UserErrors, changed.UserErrors, section.UserErrors, renamed.UserErrors} {
				if got := refusal(errs); len(errs) > 0 && got != c.want {
					e.t.Errorf("%s, %d: %s, want %s", c.name, i, got, c.want)
				}
			}
			if len(made.UserErrors) > 0 {
				continue
			}
			for i, got := range []string{made.Project.Name, changed.Project.Name, section.Section.Name, renamed.Section.Name} {
				if got != c.want {
					e.t.Errorf("%s, %d: %q, want %q", c.name, i, got, c.want)
				}
			}
		}
		changed, err := e.Update(e.ctx, e.v, project.UpdateInput{ID: p.ID.String(), Name: null})
		e.check(err)
		renamed, err := e.UpdateSection(e.ctx, e.v, project.UpdateSectionInput{ID: s.ID.String(), Name: null})
		e.check(err)
		if got := refusal(changed.UserErrors) + ", " + refusal(renamed.UserErrors); got != "BLANK input.name, BLANK input.name" {
			e.t.Errorf("null: %s", got)
		}
	})
}

func TestDescriptions(t *testing.T) {
	t.Parallel()
	eachEnv(t, project.Limits{}, func(e *env) {
		p := e.project("project")
		for _, c := range []textCase{
			{"lines", "one\ntwo\n", "one\ntwo\n"},
			{"at the limit", strings.Repeat("é", project.MaxDescription), strings.Repeat("é", project.MaxDescription)},
			{"blank", " \n\t", "nil"},
			{"too long", strings.Repeat("x", project.MaxDescription+1), "TOO_LONG input.description"},
			{"U+0000", "one\x00", "INVALID input.description"},
		} {
			made, err := e.Create(e.ctx, e.v, project.CreateInput{Name: "x", Description: &c.in})
			e.check(err)
			changed, err := e.Update(e.ctx, e.v, project.UpdateInput{ID: p.ID.String(), Description: set(c.in)})
			e.check(err)
			for i, r := range []*project.Result{made, changed} {
				got := refusal(r.UserErrors)
				if got == "" {
					got = "nil"
					if stored := e.client.Project.GetX(e.ctx, r.Project.ID).Description; stored != nil {
						got = *stored
					}
				}
				if got != c.want {
					e.t.Errorf("%s, %d: %.50q, want %.50q", c.name, i, got, c.want)
				}
			}
		}
		changed, err := e.Update(e.ctx, e.v, project.UpdateInput{ID: p.ID.String(), Description: set("text")})
		e.check(err)
		if changed.Project.Description == nil {
			e.t.Error("no description")
		}
		if changed, err = e.Update(e.ctx, e.v, project.UpdateInput{ID: p.ID.String(), Description: null}); err != nil || changed.Project.Description != nil {
			e.t.Errorf("null: %v, %v", changed.Project, err)
		}
	})
}

// A project without a color has the default one of its name. It keeps its color when it is renamed.
func TestColors(t *testing.T) {
	t.Parallel()
	eachEnv(t, project.Limits{}, func(e *env) {
		own := "#010203"
		made, err := e.Create(e.ctx, e.v, project.CreateInput{Name: "Work", Color: &own})
		e.check(err)
		p := made.Project
		for _, step := range []struct {
			name string
			in   project.UpdateInput
			want string
		}{
			{"rename", project.UpdateInput{Name: set("Home")}, own},
			{"the default", project.UpdateInput{Color: null}, workspace.DefaultColor("home")},
			{"rename again", project.UpdateInput{Name: set("WORK")}, workspace.DefaultColor("home")},
			{"another name and its default", project.UpdateInput{Name: set("Work"), Color: null}, workspace.DefaultColor("work")},
			{"a color", project.UpdateInput{Color: set("#aabbcc")}, "#aabbcc"},
		} {
			step.in.ID = p.ID.String()
			r, err := e.Update(e.ctx, e.v, step.in)
			e.check(err)
			if stored := e.client.Project.GetX(e.ctx, p.ID); r.Project.Color != step.want || stored.Color != step.want || stored.Version != e.version() {
				e.t.Errorf("%s: %v, stored %v, want %s", step.name, r.Project, stored, step.want)
			}
		}
		if p := e.project("Work"); p.Color != workspace.DefaultColor("work") {
			e.t.Errorf("a new project has the color %s", p.Color)
		}
	})
}

// An update that changes nothing takes no version, and one of an old version is refused with the current project.
func TestVersions(t *testing.T) {
	t.Parallel()
	eachEnv(t, project.Limits{}, func(e *env) {
		p := e.project("Work")
		s := e.section(p, "To do")
		before := e.version()
		same, err := e.Update(e.ctx, e.v, project.UpdateInput{ID: strings.ToUpper(p.ID.String()), Name: set(" Work "), Color: set(p.Color), Description: null})
		e.check(err)
		none, err := e.Update(e.ctx, e.v, project.UpdateInput{ID: p.ID.String()})
		e.check(err)
		section, err := e.UpdateSection(e.ctx, e.v, project.UpdateSectionInput{ID: s.ID.String(), Name: set("To do")})
		e.check(err)
		if got := e.version(); got != before || same.Project.Version != p.Version || none.Project.Version != p.Version || section.Section.Version != s.Version {
			e.t.Errorf("the version is %d, was %d: %v %v %v", got, before, same.Project, none.Project, section.Section)
		}
		stale, missing := p.Version-1, uuid.NewString()
		old, err := e.Update(e.ctx, e.v, project.UpdateInput{ID: p.ID.String(), IfVersion: &stale, Name: set("x")})
		e.check(err)
		if refusal(old.UserErrors) != "STALE input.ifVersion" || old.Project == nil || old.Project.Name != "Work" {
			e.t.Errorf("an old version: %v, %s", old.Project, refusal(old.UserErrors))
		}
		oldSection, err := e.UpdateSection(e.ctx, e.v, project.UpdateSectionInput{ID: s.ID.String(), IfVersion: &stale, Name: set("x")})
		e.check(err)
		if refusal(oldSection.UserErrors) != "STALE input.ifVersion" || oldSection.Section == nil || oldSection.Section.Name != "To do" {
			e.t.Errorf("an old version: %v, %s", oldSection.Section, refusal(oldSection.UserErrors))
		}
		for _, id := range []string{missing, "no id", s.ID.String(), ""} {
			r, err := e.Update(e.ctx, e.v, project.UpdateInput{ID: id, Name: set("x")})
			e.check(err)
			moved, err := e.Move(e.ctx, e.v, project.MoveInput{ID: id})
			e.check(err)
			if got := refusal(r.UserErrors) + ", " + refusal(moved.UserErrors); got != "NOT_FOUND input.id, NOT_FOUND input.id" || r.Project != nil || moved.Project != nil {
				e.t.Errorf("%q: %s", id, got)
			}
		}
		for _, id := range []string{missing, "no id", p.ID.String()} {
			r, err := e.UpdateSection(e.ctx, e.v, project.UpdateSectionInput{ID: id, Name: set("x")})
			e.check(err)
			moved, err := e.MoveSection(e.ctx, e.v, project.MoveInput{ID: id})
			e.check(err)
			if got := refusal(r.UserErrors) + ", " + refusal(moved.UserErrors); got != "NOT_FOUND input.id, NOT_FOUND input.id" || r.Section != nil || moved.Section != nil {
				e.t.Errorf("%q: %s", id, got)
			}
		}
		if got := e.version(); got != before {
			e.t.Errorf("refused changes have taken %d versions", got-before)
		}
	})
}

// Clients can choose ids that nobody has.
func TestIDs(t *testing.T) {
	t.Parallel()
	eachEnv(t, project.Limits{}, func(e *env) {
		id := "30000000-0000-4000-8000-00000000ABCD"
		bob := testkit.MakeViewer(e.t, e.client, "bob")
		for _, c := range []struct {
			v    viewer.Viewer
			id   string
			want string
		}{
			{e.v, id, ""},
			{e.v, id, "TAKEN input.id"},
			{bob, id, "TAKEN input.id"},
			{e.v, "no id", "INVALID input.id"},
			{e.v, uuid.Nil.String(), "INVALID input.id"},
		} {
			r, err := e.Create(e.ctx, c.v, project.CreateInput{ID: &c.id, Name: "x"})
			e.check(err)
			if got := refusal(r.UserErrors); got != c.want {
				e.t.Errorf("the project %s of %s: %s, want %s", c.id, c.v.UserID, got, c.want)
			}
		}
		p := e.project("Work")
		for _, c := range []struct{ id, want string }{{id, ""}, {id, "TAKEN input.id"}, {"no id", "INVALID input.id"}} { // A section may have the id of a project.
			r, err := e.CreateSection(e.ctx, e.v, project.CreateSectionInput{ID: &c.id, ProjectID: p.ID.String(), Name: "x"})
			e.check(err)
			if got := refusal(r.UserErrors); got != c.want {
				e.t.Errorf("the section %s: %s, want %s", c.id, got, c.want)
			}
		}
		if n := e.client.Workspace.GetX(e.ctx, bob.WorkspaceID).ProjectCount; n != 0 {
			e.t.Errorf("bob has %d projects", n)
		}
	})
}

// Projects in the archive and in the trash count, those that are gone for good don't. Sections are counted for each project.
func TestLimits(t *testing.T) {
	t.Parallel()
	if got, want := (project.Limits{}).WithDefaults(), (project.Limits{Projects: 500, Sections: 50}); got != want {
		t.Errorf("the defaults are %+v, want %+v", got, want)
	}
	eachEnv(t, project.Limits{Projects: 3, Sections: 2}, func(e *env) {
		one, two, three := e.project("one"), e.project("two"), e.project("three")
		e.archive(one)
		e.trash(two)
		r, err := e.Create(e.ctx, e.v, project.CreateInput{Name: "four"})
		e.check(err)
		if got := refusal(r.UserErrors); got != "LIMIT_EXCEEDED" || !strings.Contains(r.UserErrors[0].Message, "at most 3 projects") {
			e.t.Errorf("a fourth project: %s", got)
		}
		e.change(func(tx *workspace.Tx) error { return project.Purge(e.ctx, tx, []uuid.UUID{two.ID}) })
		e.project("four")
		for _, p := range []*ent.Project{one, three} {
			e.section(p, "one")
			e.section(p, "two")
			r, err := e.CreateSection(e.ctx, e.v, project.CreateSectionInput{ProjectID: p.ID.String(), Name: "three"})
			e.check(err)
			if got := refusal(r.UserErrors); got != "LIMIT_EXCEEDED" || !strings.Contains(r.UserErrors[0].Message, "at most 2 sections") {
				e.t.Errorf("a third section: %s", got)
			}
		}
		if n := e.client.Workspace.GetX(e.ctx, e.v.WorkspaceID).ProjectCount; n != 3 {
			e.t.Errorf("%d projects are counted", n)
		}
		if n := e.client.Project.Query().CountX(e.ctx); n != 3 {
			e.t.Errorf("there are %d projects", n)
		}
	})
}

// A section is made in a project that may be archived, but not in one that is in the trash.
func TestProjectsOfSections(t *testing.T) {
	t.Parallel()
	eachEnv(t, project.Limits{}, func(e *env) {
		archived, trashed := e.project("archived"), e.project("trashed")
		e.archive(archived)
		e.trash(trashed)
		bob := testkit.MakeViewer(e.t, e.client, "bob")
		his, err := e.Create(e.ctx, bob, project.CreateInput{Name: "his"})
		e.check(err)
		for _, c := range []struct{ name, id, want string }{
			{"archived", archived.ID.String(), ""},
			{"in capitals", strings.ToUpper(archived.ID.String()), ""},
			{"in the trash", trashed.ID.String(), "NOT_FOUND input.projectId"},
			{"missing", uuid.NewString(), "NOT_FOUND input.projectId"},
			{"foreign", his.Project.ID.String(), "NOT_FOUND input.projectId"},
			{"no id", "x", "NOT_FOUND input.projectId"},
		} {
			r, err := e.CreateSection(e.ctx, e.v, project.CreateSectionInput{ProjectID: c.id, Name: "x"})
			e.check(err)
			if got := refusal(r.UserErrors); got != c.want {
				e.t.Errorf("%s: %s, want %s", c.name, got, c.want)
			}
		}
	})
}

// What is looked up is the workspace's, whatever its state; what isn't is missing.
func TestLookups(t *testing.T) {
	t.Parallel()
	eachEnv(t, project.Limits{}, func(e *env) {
		active, archived, trashed := e.project("active"), e.project("archived"), e.project("trashed")
		section, other := e.section(active, "section"), e.section(archived, "other")
		e.archive(archived)
		e.trash(trashed)
		bob := testkit.MakeViewer(e.t, e.client, "bob")
		his, err := e.Create(e.ctx, bob, project.CreateInput{Name: "his"})
		e.check(err)
		hisSection, err := e.CreateSection(e.ctx, bob, project.CreateSectionInput{ProjectID: his.Project.ID.String(), Name: "his"})
		e.check(err)
		projects := []uuid.UUID{active.ID, archived.ID, trashed.ID, his.Project.ID, section.ID, uuid.New(), active.ID}
		sections := []uuid.UUID{section.ID, other.ID, hisSection.Section.ID, active.ID, uuid.New()}
		e.change(func(tx *workspace.Tx) error {
			found, err := project.FindMany(e.ctx, tx, projects)
			e.check(err)
			if len(found) != 3 || found[active.ID].Name != "active" || found[archived.ID].ArchivedAt == nil || found[trashed.ID].DeletedAt == nil {
				e.t.Errorf("projects: %v", found)
			}
			inTrash, err := project.InTrash(e.ctx, tx, projects)
			e.check(err)
			if len(inTrash) != 1 || inTrash[0] != trashed.ID {
				e.t.Errorf("in the trash: %v", inTrash)
			}
			some, err := project.FindSections(e.ctx, tx, sections)
			e.check(err)
			if len(some) != 2 || some[section.ID].Name != "section" || some[other.ID].ProjectID != archived.ID {
				e.t.Errorf("sections: %v", some)
			}
			for _, none := range []error{
				func() error { found, err := project.FindMany(e.ctx, tx, nil); return errIf(err, len(found)) }(),
				func() error { found, err := project.FindSections(e.ctx, tx, nil); return errIf(err, len(found)) }(),
				func() error { found, err := project.InTrash(e.ctx, tx, nil); return errIf(err, len(found)) }(),
				project.Purge(e.ctx, tx, nil),
			} {
				e.check(none)
			}
			return nil
		})
		ids := []string{active.ID.String(), strings.ToUpper(trashed.ID.String()), his.Project.ID.String(), "no id", uuid.NewString()}
		found, err := e.GetMany(e.ctx, e.v, ids)
		e.check(err)
		if len(found) != 2 || found[ids[0]].Name != "active" || found[ids[1]].Name != "trashed" {
			e.t.Errorf("projects: %v", found)
		}
		if _, err := e.Get(e.ctx, e.v, his.Project.ID.String()); !errors.Is(err, workspace.ErrNotFound) {
			e.t.Errorf("bob's project: %v", err)
		}
		some, err := e.Sections(e.ctx, e.v, []string{section.ID.String(), hisSection.Section.ID.String(), "no id"})
		e.check(err)
		if len(some) != 1 || some[section.ID.String()].Name != "section" {
			e.t.Errorf("sections: %v", some)
		}
		of, err := e.SectionsOf(e.ctx, e.v, []uuid.UUID{active.ID, archived.ID, trashed.ID, his.Project.ID}, []string{"name"})
		e.check(err)
		if len(of) != 2 || len(of[active.ID]) != 1 || of[active.ID][0].Name != "section" || len(of[archived.ID]) != 1 {
			e.t.Errorf("sections of projects: %v", of)
		}
	})
}

func errIf(err error, found int) error {
	if err == nil && found > 0 {
		return fmt.Errorf("found %d of nothing", found)
	}
	return err
}

// Archiving, putting into the trash and taking out of both give the project the version and the time of the change, in memory, too.
func TestLifecycle(t *testing.T) {
	t.Parallel()
	eachEnv(t, project.Limits{}, func(e *env) {
		p, other := e.project("project"), e.project("other")
		section := e.section(p, "section")
		kept := e.section(other, "kept")
		for _, step := range []struct {
			name              string
			do                func(tx *workspace.Tx) error
			archived, trashed bool
		}{
			{"archive", func(tx *workspace.Tx) error { return project.Archive(e.ctx, tx, p, true) }, true, false},
			{"delete", func(tx *workspace.Tx) error { return project.Trash(e.ctx, tx, p, true) }, true, true},
			{"restore", func(tx *workspace.Tx) error { return project.Trash(e.ctx, tx, p, false) }, true, false},
			{"unarchive", func(tx *workspace.Tx) error { return project.Archive(e.ctx, tx, p, false) }, false, false},
		} {
			e.change(step.do)
			stored := e.client.Project.GetX(e.ctx, p.ID)
			if stored.String() != p.String() || p.Version != e.version() || !p.UpdatedAt.Equal(e.now) || (p.ArchivedAt != nil) != step.archived || (p.DeletedAt != nil) != step.trashed {
				e.t.Errorf("%s at %d, %v: %v, stored %v", step.name, e.version(), e.now, p, stored)
			}
		}
		e.change(func(tx *workspace.Tx) error { return project.Purge(e.ctx, tx, []uuid.UUID{p.ID}) })
		if e.client.Section.Query().CountX(e.ctx) != 1 || e.client.Project.Query().CountX(e.ctx) != 1 {
			e.t.Error("another project or section is gone, or the own section isn't")
		}
		e.change(func(tx *workspace.Tx) error { return project.RemoveSection(e.ctx, tx, kept) })
		var gone []string
		for _, row := range e.client.Tombstone.Query().Order(ent.Asc(tombstone.FieldVersion), ent.Asc(tombstone.FieldKind)).AllX(e.ctx) {
			gone = append(gone, fmt.Sprint(row.Version, " ", row.Kind, " ", row.ObjectID))
		}
		want := []string{
			fmt.Sprint(e.version()-1, " PROJECT ", p.ID), fmt.Sprint(e.version()-1, " SECTION ", section.ID), fmt.Sprint(e.version(), " SECTION ", kept.ID),
		}
		if !slices.Equal(gone, want) {
			e.t.Errorf("gone are %q, want %q", gone, want)
		}
	})
}
