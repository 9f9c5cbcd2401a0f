package task_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/google/uuid"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
	"pgregory.net/rapid"

	"taskql/ent"
	"taskql/internal/keyset"
	"taskql/internal/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// invisible are invisible characters.
var invisible = []rune{ //nolint:gochecknoglobals // A constant table.
	'\u00ad', '\u034f', '\u061c', '\u115f', '\u180e', '\u200b', '\u200c', '\u200d', '\u2060', '\u3164', '\ufe0f', '\ufeff', '\U000e0041', '\U000e0100',
}

// spaces are characters that look like a space.
var spaces = []rune{' ', '\u00a0', '\u2000', '\u2009', '\u202f', '\u205f', '\u2800', '\u3000'} //nolint:gochecknoglobals // As above.

// disguise returns a name that looks like name, or differs from it in case or width only.
func disguise(t *rapid.T, name string) string {
	var b strings.Builder
	hide := func() {
		for range rapid.IntRange(0, 2).Draw(t, "invisible") {
			b.WriteRune(rapid.SampledFrom(invisible).Draw(t, "character"))
		}
	}
	hide()
	for _, r := range name {
		for i := 0; r == ' ' && i < rapid.IntRange(0, 2).Draw(t, "more spaces"); i++ {
			b.WriteRune(rapid.SampledFrom(spaces).Draw(t, "space"))
			hide()
		}
		if r == ' ' {
			r = rapid.SampledFrom(spaces).Draw(t, "space")
		}
		b.WriteRune(r)
		if unicode.IsSpace(r) || unicode.IsLetter(r) {
			hide()
		}
	}
	s := b.String()
	if rapid.Bool().Draw(t, "upper case") {
		s = strings.ToUpper(s)
	}
	if rapid.Bool().Draw(t, "wide") {
		s = width.Widen.String(s)
	}
	return rapid.SampledFrom([]norm.Form{norm.NFC, norm.NFD}).Draw(t, "form").String(s)
}

// Names that differ only in invisible characters, spacing, case, width or normal form are the same tag.
func TestNamesThatLookEqual(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		rapid.Check(t, func(rt *rapid.T) {
			name := rapid.SampledFrom([]string{"work", "to do", "café", "Straße 12", "ångström", "한국 서울", "привет мир", "ガス", "q3", "がっこう"}).Draw(rt, "name")
			other := disguise(rt, name)
			made := mustTag(t)(env.CreateTag(ctx, v, task.CreateTagInput{Name: name}))
			same, err := env.CreateTag(ctx, v, task.CreateTagInput{Name: other})
			if err != nil || formatUserErrors(same.UserErrors) != "TAKEN input.name" {
				rt.Errorf("%+q after %+q: %s, %v", other, name, formatUserErrors(same.UserErrors), err)
			}
			// The tag can be renamed so, because it is the same name.
			renamed := mustTag(t)(env.UpdateTag(ctx, v, task.UpdateTagInput{ID: made.ID.String(), Name: set(&other)}))
			if renamed.Color != made.Color {
				rt.Errorf("%s became %s", made.Color, renamed.Color)
			}
			if r, err := env.DeleteTag(ctx, v, workspace.TargetInput{ID: made.ID.String()}); err != nil || len(r.UserErrors) > 0 {
				rt.Fatal(err)
			}
		})
	})
}

// Any single line with a visible character is a valid title. It is stored as it was sent, without invisible characters at its
// ends; sending it again changes nothing.
func TestVisibleTitles(t *testing.T) {
	t.Parallel()
	seen := func(r rune) bool {
		return !unicode.IsSpace(r) && r != '\u2800' && !slices.Contains(invisible, r)
	}
	character := rapid.OneOf(
		rapid.Rune().Filter(func(r rune) bool {
			return !unicode.IsControl(r) && r != '\u2028' && r != '\u2029' && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Cf, unicode.Variation_Selector)
		}),
		rapid.SampledFrom(invisible), rapid.SampledFrom(spaces),
		rapid.SampledFrom([]rune{'\U0001fadf', '\u0378', '\uffff', '\ue000', '👩', '❤', '\u0301'}),
	)
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		rapid.Check(t, func(rt *rapid.T) {
			title := string(rapid.SliceOfN(character, 1, 40).Filter(func(rs []rune) bool { return slices.ContainsFunc(rs, seen) }).Draw(rt, "title"))
			made := mustSucceed(t)(env.Create(ctx, v, task.CreateInput{Title: title}))
			before, after, ok := strings.Cut(title, made.Title)
			if !ok || strings.ContainsFunc(before+after, seen) {
				rt.Errorf("%+q became %+q", title, made.Title)
			}
			env.checkStored(ctx, t, made)
			description := "  " + title + "\n"
			for range 2 {
				again := mustSucceed(t)(env.Update(ctx, v, task.UpdateInput{ID: made.ID.String(), Title: set(&made.Title), Description: set(&description)}))
				if again.Title != made.Title || *again.Description != description || again.Version != made.Version+1 {
					rt.Errorf("%+q became %+q with version %d", made.Title, again.Title, again.Version)
				}
			}
		})
	})
}

// previousRelease writes rows as the previous release does: with its keys, and the next versions of a workspace.
type previousRelease struct {
	*testEnv

	workspace string
	version   int
}

func previousReleaseFold(s string) string { return cases.Fold().String(norm.NFC.String(s)) }

func (o *previousRelease) task(ctx context.Context, title string) *ent.Task {
	o.version++
	const description = "Gefüllt  mit\n\u00adMus"
	return o.client.Task.Create().SetID(uuid.Must(uuid.NewV7())).SetWorkspaceID(o.workspace).SetVersion(o.version).
		SetTitle(title).SetDescription(description).SetTitleKey([]byte(previousReleaseFold(title))).SetSearchText(previousReleaseFold(title + "\n" + description)).
		SetPosition(fmt.Appendf(nil, "e%05x", o.version)).SetCreatedAt(o.moment()).SetUpdatedAt(o.moment()).SaveX(ctx)
}

func (o *previousRelease) tag(ctx context.Context, name string) *ent.Tag {
	o.version++
	return o.client.Tag.Create().SetID(uuid.Must(uuid.NewV7())).SetWorkspaceID(o.workspace).SetVersion(o.version).
		SetName(name).SetNameKey([]byte(previousReleaseFold(name))).SetColor("#16a34a").SetCreatedAt(o.moment()).SetUpdatedAt(o.moment()).SaveX(ctx)
}

func (o *previousRelease) moment() time.Time {
	return o.clock.Now().Add(time.Duration(o.version) * time.Second).Truncate(time.Microsecond)
}

// refreshKeys runs the clean-up until all keys are current.
func (o *previousRelease) refreshKeys(t *testing.T) {
	t.Helper()
	system := viewer.AsSystem(t.Context())
	o.client.Workspace.UpdateOneID(o.workspace).SetVersion(o.version).SetTaskCount(o.client.Task.Query().CountX(system)).ExecX(system)
	background, cancel := context.WithCancel(t.Context())
	defer cancel()
	var replicas sync.WaitGroup
	for range 2 {
		replicas.Go(func() { o.runCleanup(background) })
	}
	deadline := time.Now().Add(2 * time.Minute)
	for o.client.Workspace.GetX(system, o.workspace).KeysVersion < o.version && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	replicas.Wait()
	if after := o.client.Workspace.GetX(system, o.workspace); after.KeysVersion < o.version || after.Version <= o.version {
		t.Fatalf("version %d is at %d, its keys at %d", o.version, after.Version, after.KeysVersion)
	} else {
		o.version = after.Version
	}
}

// listTitles returns the first titles in order, and the names of all tags.
func (env *testEnv) listTitles(ctx context.Context, t *testing.T, v viewer.Viewer, search string) (string, string) {
	t.Helper()
	byTitle := task.ListInput{First: ptr(6), OrderBy: []task.Order{{Field: "TITLE", Direction: keyset.Ascending}}}
	byTitle.Filter = &task.Filter{Comparisons: []task.Comparison{{Field: "search", Value: search}}}
	tasks, err := env.List(ctx, v, byTitle)
	if err != nil {
		t.Fatal(err)
	}
	tags, err := env.ListTags(ctx, v, task.TagListInput{})
	if err != nil {
		t.Fatal(err)
	}
	var titles, names []string
	for _, e := range tasks.Edges {
		titles = append(titles, e.Node.Title)
	}
	for _, e := range tags.Edges {
		names = append(names, e.Node.Name)
	}
	return strings.Join(titles, ", "), strings.Join(names, ", ")
}

// Rows of the previous release are listed, and their names are unique, until the clean-up writes this release's keys.
func TestKeysOfThePreviousRelease(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		old := &previousRelease{testEnv: env, workspace: v.WorkspaceID}
		taken := func(names ...string) {
			t.Helper()
			for _, name := range names {
				if r, err := env.CreateTag(ctx, v, task.CreateTagInput{Name: name}); err != nil || formatUserErrors(r.UserErrors) != "TAKEN input.name" {
					t.Errorf("%s: %s, %v", name, formatUserErrors(r.UserErrors), err)
				}
			}
		}
		listed := func(search, titles, names string) {
			t.Helper()
			gotTitles, gotNames := env.listTitles(ctx, t, v, search)
			if gotTitles != titles || gotNames != names {
				t.Errorf("listed are %+q and %+q", gotTitles, gotNames)
			}
		}
		tasks := []*ent.Task{old.task(ctx, "Task 10"), old.task(ctx, "task 9"), old.task(ctx, "Äpfel"), old.task(ctx, "Birne"), old.task(ctx, "wo\u00adrk")}
		for range 450 { // More than RefreshKeys reads at a time.
			tasks = append(tasks, old.task(ctx, "Zucker 1"))
		}
		var tags []*ent.Tag
		for _, name := range []string{"to  do", "to do", "to\u00a0do", "Übung", "\ufeffwork\u200b", "Sprint 10", "Sprint 9"} {
			tags = append(tags, old.tag(ctx, name))
		}
		taken("To Do", "work", "übung", "sprint 9")
		old.refreshKeys(t)
		const names = "Sprint 9, Sprint 10, to do, to  do, to\u00a0do, Übung, \ufeffwork\u200b"
		listed("gefullt mus", "Äpfel, Birne, task 9, Task 10, wo\u00adrk, Zucker 1", names)
		listed("work", "wo\u00adrk", names)
		taken("To Do", "work", "übung", "sprint 9")
		// Clients don't see that the rows have changed.
		for i, e := range env.reload(ctx, t, tasks...) {
			key, text := task.TextKeys(e.Title, e.Description)
			if was := tasks[i]; e.Version != was.Version || !e.UpdatedAt.Equal(was.UpdatedAt) || string(e.TitleKey) != string(key) || e.SearchText != text {
				t.Fatalf("%+q has version %d, and the keys %q and %q", e.Title, e.Version, e.TitleKey, e.SearchText)
			}
		}

		// Each of the tags with the same name can be changed. After a rollback, old keys are written again.
		mustTag(t)(env.UpdateTag(ctx, v, task.UpdateTagInput{ID: tags[0].ID.String(), IfVersion: &tags[0].Version, Color: set(ptr("#abcdef"))}))
		mustTag(t)(env.UpdateTag(ctx, v, task.UpdateTagInput{ID: tags[2].ID.String(), Name: set(ptr("zu tun"))}))
		old.version = workspaceVersion(ctx, t, env, v)
		old.task(ctx, "Ähre")
		old.client.Task.UpdateOne(tasks[3]).SetVersion(old.version).SetTitle("Ärger").SetTitleKey([]byte("ärger")).SetSearchText("ärger\n").ExecX(ctx)
		old.tag(ctx, "ZU\u00a0TUN")
		old.refreshKeys(t)
		listed("a", "Ähre, Äpfel, Ärger, task 9, Task 10", "Sprint 9, Sprint 10, to do, to  do, Übung, \ufeffwork\u200b, zu tun, ZU\u00a0TUN")
		env.checkInvariants(ctx, t, v)
	})
}
