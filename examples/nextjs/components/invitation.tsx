"use client";
import { useEffect, useRef, useState } from "react";
import { authClient } from "@/lib/auth-client";
import { show } from "./view";

/** Asks whether the user accepts an invitation, whose link was opened. */
export function Invitation({ id, onAccepted }: { id: string; onAccepted(): void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState("…");
  const [canAnswer, setCanAnswer] = useState(false);
  useEffect(() => {
    dialog.current?.showModal();
    void authClient.organization.getInvitation({ query: { id } }).then(({ data, error }) => {
      setText(data ? `${data.inviterEmail} invites you to “${data.organizationName}”.` : (error.message ?? "The server can’t be reached."));
      setCanAnswer(data !== null);
    });
  }, [id]);
  const answer = async (accepts: boolean) => {
    const api = authClient.organization;
    const { data, error } = accepts ? await api.acceptInvitation({ invitationId: id }) : await api.rejectInvitation({ invitationId: id });
    if (error) return setText(error.message ?? "The server can’t be reached.");
    onAccepted();
    show({ invitation: "", ...(accepts && data.invitation && { workspace: `organization/${data.invitation.organizationId}` }) });
  };
  return (
    <dialog ref={dialog} onClose={() => show({ invitation: "" })} aria-labelledby="invitation">
      <h2 id="invitation">Invitation</h2>
      <p role="status">{text}</p>
      <p className="buttons">
        {canAnswer && <button type="button" onClick={() => void answer(false)}>Decline</button>}
        {canAnswer && <button type="button" className="primary" onClick={() => void answer(true)}>Accept</button>}
        {!canAnswer && <button type="button" onClick={() => dialog.current?.close()}>Close</button>}
      </p>
    </dialog>
  );
}
