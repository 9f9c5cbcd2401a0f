package testkit

import "taskql/internal/viewer"

// NeededRoles are the weakest roles that may send each mutation of the schema. Those that change no workspace need none.
var NeededRoles = map[string]viewer.Role{ //nolint:gochecknoglobals // A table.
	"updateViewer": viewer.RoleNone,

	"setReminders":    viewer.RoleRead,
	"createReminder":  viewer.RoleRead,
	"deleteReminder":  viewer.RoleRead,
	"snoozeReminder":  viewer.RoleRead,
	"dismissReminder": viewer.RoleRead,

	"createTask":     viewer.RoleWrite,
	"updateTask":     viewer.RoleWrite,
	"updateTasks":    viewer.RoleWrite,
	"completeTask":   viewer.RoleWrite,
	"completeTasks":  viewer.RoleWrite,
	"reopenTask":     viewer.RoleWrite,
	"reopenTasks":    viewer.RoleWrite,
	"moveTask":       viewer.RoleWrite,
	"deleteTask":     viewer.RoleWrite,
	"deleteTasks":    viewer.RoleWrite,
	"restoreTask":    viewer.RoleWrite,
	"restoreTasks":   viewer.RoleWrite,
	"skipOccurrence": viewer.RoleWrite,
	"undoChange":     viewer.RoleWrite,
	"createTag":      viewer.RoleWrite,
	"updateTag":      viewer.RoleWrite,
	"deleteTag":      viewer.RoleWrite,

	"createProject":    viewer.RoleWrite,
	"updateProject":    viewer.RoleWrite,
	"archiveProject":   viewer.RoleWrite,
	"unarchiveProject": viewer.RoleWrite,
	"moveProject":      viewer.RoleWrite,
	"restoreProject":   viewer.RoleWrite,
	"createSection":    viewer.RoleWrite,
	"updateSection":    viewer.RoleWrite,
	"moveSection":      viewer.RoleWrite,
	"deleteSection":    viewer.RoleWrite,

	"deleteProject": viewer.RoleAdmin,
	"purgeTask":     viewer.RoleAdmin,
	"emptyTrash":    viewer.RoleAdmin,
}
