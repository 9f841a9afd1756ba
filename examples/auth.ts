/**
 * Who is logged in may look, or change: a login with a cookie, two roles, and
 * what becomes of open connections when a role changes or somebody logs out.
 *
 * ```sh
 * deno run -A examples/auth.ts
 * ```
 *
 * Log in as `vera`, who may look, or as `edgar`, who may edit; the password is
 * the name with `-pass` behind it. Behind a proxy that speaks TLS, add `Secure`
 * to the cookie; and limit how often a password can be tried.
 *
 * @module
 */
import type { Client } from "@finos/perspective";
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { Access, PerspectiveHandler, readOnly, Server } from "../mod.ts";
import { servePage } from "./assets.ts";
import { run, runMain, type Running } from "./run.ts";

/** What somebody may do. */
export type Role = "viewer" | "editor";

/** A user, as a database would have it: without the password. */
interface User {
  readonly name: string;
  role: Role;
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
}

/** Somebody who is logged in, in one browser. */
interface Login {
  readonly id: string;
  readonly user: User;
  /** What all connections of this login may do. */
  readonly access: Access;
  /** Ends it after a working day. */
  readonly timer: ReturnType<typeof setTimeout>;
}

/** How long a login is good for, in milliseconds. */
const LOGIN_MS = 8 * 60 * 60 * 1000;

/** What the largest form of these pages needs, and more. */
const MAX_FORM_BYTES = 4096;

/** A running {@linkcode serveAuth}. */
export interface AuthExample extends Running {
  /** Gives somebody another role. */
  setRole(name: string, role: Role): void;
}

/** Serves a table to those who are logged in. */
export async function serveAuth(port = 8080): Promise<AuthExample> {
  const users = new Map<string, User>();
  for (const [name, role] of [["vera", "viewer"], ["edgar", "editor"]]) {
    users.set(name!, await newUser(name!, role as Role));
  }
  const logins = new Map<string, Login>();
  const server = new Server();
  await makeTable(server.newLocalClient());
  const handler = new PerspectiveHandler({
    server,
    authorize: (request) =>
      loginOf(request)?.access ??
        new Response("Log in first", { status: 401 }),
  });

  function loginOf(request: Request): Login | undefined {
    const cookies = request.headers.get("cookie") ?? "";
    const id = /(?:^|; )session=([^;]*)/.exec(cookies)?.[1];
    return id === undefined ? undefined : logins.get(id);
  }

  function logIn(user: User): Login {
    const id = randomBytes(32).toString("base64url");
    const timer = setTimeout(() => logOut(login), LOGIN_MS);
    const login = { id, user, access: accessOf(user.role), timer };
    logins.set(id, login);
    return login;
  }

  function logOut(login: Login): void {
    logins.delete(login.id);
    clearTimeout(login.timer);
    // For a connection that is just being opened, which nobody can close yet.
    login.access.update({ see: false });
    disconnect(login, "logged out");
  }

  function setRole(name: string, role: Role): void {
    const user = users.get(name);
    if (!user) throw new TypeError(`Cannot set role: there is no user ${name}`);
    user.role = role;
    for (const login of logins.values()) {
      if (login.user !== user) continue;
      // From now on: what its connections ask next is judged by that.
      login.access.update(accessOf(role));
      // The page comes back by itself, as it was, and asks who it is.
      disconnect(login, "your role has changed");
    }
  }

  /** Closes what is open of a login, in all tabs. */
  function disconnect({ access }: Login, reason: string): void {
    for (const connection of handler.sessions()) {
      if (connection.access === access) connection.close(4001, reason);
    }
  }

  async function route(request: Request): Promise<Response | undefined> {
    const { pathname } = new URL(request.url);
    const login = loginOf(request);
    switch (`${request.method} ${pathname}`) {
      case "GET /":
        return login ? undefined : redirect("/login");
      case "GET /login":
        return await servePage(request, "login.html");
      case "GET /whoami":
        return whoIs(login);
    }
    if (request.method !== "POST") return undefined;
    if (!isSameOrigin(request)) return new Response(null, { status: 403 });
    const form = await formOf(request);
    if (!form) return new Response(null, { status: 413 });
    switch (pathname) {
      case "/login": {
        const user = await checkPassword(users, form);
        // The page has a paragraph of that name.
        if (!user) return redirect("/login#wrong");
        if (login) logOut(login);
        return redirect("/", cookie(logIn(user).id, LOGIN_MS / 1000));
      }
      case "/logout":
        if (login) logOut(login);
        return redirect("/login", cookie("", 0));
      case "/role":
        return changeRole(login, form);
    }
    return undefined;
  }

  /** Editors say who else is one. */
  function changeRole(
    login: Login | undefined,
    form: URLSearchParams,
  ): Response {
    const name = form.get("user") ?? "";
    const role = form.get("role");
    if (login?.user.role !== "editor") {
      return new Response(null, { status: 403 });
    }
    if (!users.has(name) || (role !== "viewer" && role !== "editor")) {
      return new Response(null, { status: 400 });
    }
    setRole(name, role);
    return redirect("/");
  }

  /** What the page shows of whom it is for: `null` if that is nobody. */
  function whoIs(login: Login | undefined): Response {
    const publicOf = ({ name, role }: User) => ({ name, role });
    const others = [...users.values()].filter((it) => it !== login?.user);
    const answer = login && {
      ...publicOf(login.user),
      others: login.user.role === "editor" ? others.map(publicOf) : [],
    };
    return Response.json(answer ?? null, {
      headers: { "cache-control": "no-store" },
    });
  }

  const running = run({
    server,
    handler,
    page: "auth.html",
    port,
    route,
    onStop() {
      for (const { timer } of logins.values()) clearTimeout(timer);
    },
  });
  return { ...running, setRole };
}

function accessOf(role: Role): Access {
  return role === "editor" ? new Access({ update: true }) : readOnly();
}

async function makeTable(client: Client): Promise<void> {
  await client.table({
    id: [1, 2, 3],
    item: ["Chairs", "Tables", "Lamps"],
    stock: [12, 4, 31],
  }, { name: "inventory", index: "id" });
}

// -- Passwords --

async function newUser(name: string, role: Role): Promise<User> {
  const salt = randomBytes(16);
  return { name, role, salt, hash: await hashOf(`${name}-pass`, salt) };
}

/** Whose name and password are in `form`. */
async function checkPassword(
  users: ReadonlyMap<string, User>,
  form: URLSearchParams,
): Promise<User | undefined> {
  const user = users.get(form.get("user") ?? "");
  // It takes as long for a name that isn't there, so it doesn't tell which are.
  const salt = user?.salt ?? new Uint8Array(16);
  const hash = await hashOf(form.get("password") ?? "", salt);
  return user && timingSafeEqual(hash, user.hash) ? user : undefined;
}

/** On another thread, since it takes long by design. */
function hashOf(password: string, salt: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    scrypt(
      password,
      salt,
      32,
      (error, hash) => error ? reject(error) : resolve(hash),
    );
  });
}

// -- Forms and cookies --

/** The form in a request; nothing if it is too large to be one. */
async function formOf(request: Request): Promise<URLSearchParams | undefined> {
  // Without a length, such as in chunks, no browser sends a form.
  const length = Number(request.headers.get("content-length") ?? "NaN");
  if (!(length <= MAX_FORM_BYTES)) return undefined;
  return new URLSearchParams(await request.text());
}

/** Whether a page of this host sends the form; a browser always tells. */
function isSameOrigin(request: Request): boolean {
  const origin = request.headers.get("origin");
  return origin !== null && URL.canParse(origin) &&
    new URL(origin).host === request.headers.get("host");
}

/** Scripts can't read it, and pages of other sites don't send it along. */
function cookie(session: string, maxAge: number): string {
  return `session=${session}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${maxAge}`;
}

function redirect(location: string, cookie?: string): Response {
  const headers = new Headers({ location });
  if (cookie !== undefined) headers.set("set-cookie", cookie);
  return new Response(null, { status: 303, headers });
}

if (import.meta.main) await runMain(serveAuth);
