import { headers } from "next/headers";
import { redirect } from "next/navigation";
import { App } from "@/components/app";
import { auth } from "@/lib/auth";

/** The one page of the app: what it shows is in its address, so that it can be opened offline. */
export default async function Page({ searchParams }: PageProps<"/">) {
  const session = await auth.api.getSession({ headers: await headers() });
  const { invitation } = await searchParams;
  if (!session) redirect(invitation ? `/sign-in?invitation=${encodeURIComponent(String(invitation))}` : "/sign-in");
  const { id, name, email } = session.user;
  // WebSockets go to the API itself, because few hosts pass them on.
  const api = process.env["API_PUBLIC_ORIGIN"] ?? process.env["API_ORIGIN"] ?? "";
  return <App user={{ id, name, email }} liveUrl={`${api.replace(/^http/, "ws")}/graphql`} />;
}
