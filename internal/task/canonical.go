package task

import "strings"

// A UUID may be written in either case, and names the same thing. Where two requests are told apart by what they name,
// their ids are first written alike.

// canonicalID returns an id as this server writes it; what is no UUID stays as it is.
func canonicalID(id string) string {
	if _, ok := parseID(id); ok {
		return strings.ToLower(id)
	}
	return id
}

func canonicalIDs(ids []string) []string {
	if ids == nil {
		return nil // In a patch, null and empty are written differently.
	}
	same := make([]string, len(ids))
	for i, id := range ids {
		same[i] = canonicalID(id)
	}
	return same
}

func canonicalPtr(id *string) *string {
	if id == nil {
		return nil
	}
	same := canonicalID(*id)
	return &same
}

func (in CreateInput) canonical() CreateInput {
	in.ID, in.ParentID, in.TagIDs = canonicalPtr(in.ID), canonicalPtr(in.ParentID), canonicalIDs(in.TagIDs)
	return in
}

func (p Patch) canonical() Patch {
	p.AddTagIDs.Value, p.RemoveTagIDs.Value = canonicalIDs(p.AddTagIDs.Value), canonicalIDs(p.RemoveTagIDs.Value)
	return p
}

func (in UpdateInput) canonical() UpdateInput {
	in.ID, in.TagIDs.Value, in.Patch = canonicalID(in.ID), canonicalIDs(in.TagIDs.Value), in.Patch.canonical()
	return in
}

func (in TargetInput) canonical() TargetInput {
	in.ID = canonicalID(in.ID)
	return in
}

func (in MoveInput) canonical() MoveInput {
	in.ID, in.AfterID, in.BeforeID = canonicalID(in.ID), canonicalPtr(in.AfterID), canonicalPtr(in.BeforeID)
	in.ParentID.Value = canonicalPtr(in.ParentID.Value)
	return in
}

func (in BulkInput) canonical() BulkInput {
	in.IDs = canonicalIDs(in.IDs)
	return in
}

func (in UpdateManyInput) canonical() UpdateManyInput {
	in.BulkInput, in.Patch = in.BulkInput.canonical(), in.Patch.canonical()
	return in
}

func (in CreateTagInput) canonical() CreateTagInput {
	in.ID = canonicalPtr(in.ID)
	return in
}

func (in UpdateTagInput) canonical() UpdateTagInput {
	in.ID = canonicalID(in.ID)
	return in
}
