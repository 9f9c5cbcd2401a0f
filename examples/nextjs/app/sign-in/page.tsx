import type { Metadata } from "next";
import { headers } from "next/headers";
import { redirect } from "next/navigation";
import { SignInForm } from "@/components/sign-in-form";
import { auth } from "@/lib/auth";

export const metadata: Metadata = { title: "Sign in · Tasks" };

export default async function Page({ searchParams }: PageProps<"/sign-in">) {
  if (await auth.api.getSession({ headers: await headers() })) redirect("/");
  return (
    <main className="sign-in">
      <h1>Tasks</h1>
      <p>{(await searchParams)["invitation"] ? "You are invited. Sign in, or up, with the address that was invited." : "Your lists, alone and with others, also offline."}</p>
      <SignInForm />
    </main>
  );
}
