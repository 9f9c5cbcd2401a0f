package task

import "taskql/internal/workspace"

// The input of a change is hashed with its ids in canonical form, so that a request with an id in capitals is the same request.

func (in CreateInput) canonical() CreateInput {
	in.ID, in.ParentID, in.TagIDs = workspace.CanonicalIDPtr(in.ID), workspace.CanonicalIDPtr(in.ParentID), workspace.CanonicalIDs(in.TagIDs)
	return in
}

func (p Patch) canonical() Patch {
	p.AddTagIDs.Value, p.RemoveTagIDs.Value = workspace.CanonicalIDs(p.AddTagIDs.Value), workspace.CanonicalIDs(p.RemoveTagIDs.Value)
	return p
}

func (in UpdateInput) canonical() UpdateInput {
	in.ID, in.TagIDs.Value, in.Patch = workspace.CanonicalID(in.ID), workspace.CanonicalIDs(in.TagIDs.Value), in.Patch.canonical()
	return in
}

func (in TargetInput) canonical() TargetInput {
	in.ID = workspace.CanonicalID(in.ID)
	return in
}

func (in MoveInput) canonical() MoveInput {
	in.ID, in.AfterID, in.BeforeID = workspace.CanonicalID(in.ID), workspace.CanonicalIDPtr(in.AfterID), workspace.CanonicalIDPtr(in.BeforeID)
	in.ParentID.Value = workspace.CanonicalIDPtr(in.ParentID.Value)
	return in
}

func (in BulkInput) canonical() BulkInput {
	in.IDs = workspace.CanonicalIDs(in.IDs)
	return in
}

func (in UpdateManyInput) canonical() UpdateManyInput {
	in.BulkInput, in.Patch = in.BulkInput.canonical(), in.Patch.canonical()
	return in
}

func (in CreateTagInput) canonical() CreateTagInput {
	in.ID = workspace.CanonicalIDPtr(in.ID)
	return in
}

func (in UpdateTagInput) canonical() UpdateTagInput {
	in.ID = workspace.CanonicalID(in.ID)
	return in
}
