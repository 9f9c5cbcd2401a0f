import type { Metadata } from "next";
import { headers } from "next/headers";
import { redirect } from "next/navigation";
import { SignInForm } from "@/components/sign-in-form";
import { auth } from "@/lib/auth";

export const metadata: Metadata = { title: "Sign in · Tasks" };

export default async function Page() {
  if (await auth.api.getSession({ headers: await headers() })) redirect("/");
  return (
    <main className="sign-in">
      <h1>Tasks</h1>
      <p>Your lists, alone and with others, also offline.</p>
      <SignInForm />
    </main>
  );
}
