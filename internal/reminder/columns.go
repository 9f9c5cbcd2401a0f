package reminder

import entreminder "taskql/ent/reminder"

// columns are the columns of reminders. The feed's tokens contain their indices: a new column goes to the end, and none is removed.
var columns = []string{ //nolint:gochecknoglobals // A table.
	entreminder.FieldID, entreminder.FieldWorkspaceID, entreminder.FieldVersion, entreminder.FieldTaskID, entreminder.FieldUserID,
	entreminder.FieldRemindAt, entreminder.FieldMinutesBefore, entreminder.FieldDaysBefore, entreminder.FieldTimeOfDay,
	entreminder.FieldTimeZone, entreminder.FieldFireAt, entreminder.FieldFiredAt, entreminder.FieldSnoozedUntil, entreminder.FieldState,
	entreminder.FieldCreatedAt, entreminder.FieldUpdatedAt,
}
