package task_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"taskql/internal/task"
)

// If the quota returns an error, the method returns it and reads no more rows.
func TestTextQuota(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		var ids []uuid.UUID
		for i := range 10 {
			description := ptr(strings.Repeat("é", 500))
			if i == 0 {
				description = nil
			}
			ids = append(ids, mustSucceed(t)(env.Create(ctx, v, task.CreateInput{Title: fmt.Sprint(i), Description: description})).ID)
		}
		columns := []string{"id", "description"}
		enough := errors.New("enough")
		for name, read := range map[string]func(quota task.TextQuota) error{
			"a list": func(quota task.TextQuota) error {
				_, err := env.List(context.WithValue(ctx, task.TextQuotaKey{}, quota), v, task.ListInput{First: ptr(10), Selection: task.Selection{Columns: columns}})
				return err
			},
			"by their ids": func(quota task.TextQuota) error {
				_, err := env.ByID(context.WithValue(ctx, task.TextQuotaKey{}, quota), v, ids, columns)
				return err
			},
		} {
			rows, bytes := 0, 0
			err := read(func(n int) error {
				rows, bytes = rows+1, bytes+n
				if bytes > 2_500 {
					return enough
				}
				return nil
			})
			if !errors.Is(err, enough) || rows != 3 || bytes != 3_000 {
				t.Errorf("%s: got %v after %d rows with %d bytes", name, err, rows, bytes)
			}
		}
	})
}
