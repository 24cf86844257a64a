// Calls of the service, and its errors as sentences that say what to do.

const KEY = "red-align-key";
export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY)),
};
const headers = () => (key.get() ? { Authorization: `Bearer ${key.get()}` } : {});

export class ServiceError extends Error {
  constructor(reason, message, metadata = {}) {
    super(message);
    this.reason = reason;
    this.metadata = metadata;
  }
}

async function call(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { ...options, headers: headers(), cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceError("GONE", "no answer");
  }
  if (answer.ok) return answer;
  const body = await answer.json().catch(() => ({}));
  throw new ServiceError(body.error?.reason ?? `HTTP_${answer.status}`, body.error?.message ?? "", body.error?.metadata);
}

export const getInfo = async () => (await call("/v1/info")).json();

export async function isThere() {
  try {
    return (await fetch("/readyz", { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

// What this service can do beyond the least: forms of answers, and whether it gives features.
export async function getAbilities() {
  try {
    const api = await (await call("/openapi.json")).json();
    const parameters = api.paths["/align"].post.parameters;
    const named = (name) => parameters.find((each) => each.name === name);
    const schema = named("format").schema;
    const formats = [schema, ...(schema.anyOf ?? [])].flatMap((each) => each.enum ?? []);
    return { formats, features: Boolean(named("features")) };
  } catch (error) {
    if (error instanceof ServiceError) return { formats: ["json", "ndjson", "csv"], features: false };
    throw error;
  }
}

function form(file) {
  const data = new FormData();
  data.append("video", file, file.name || "picture");
  return data;
}

const address = (query) => `/align?${new URLSearchParams(query)}`;

// Lines of an answer while they come, as text: the file is downloaded just as the service wrote it.
export async function* alignLines(file, query, signal) {
  const answer = await call(address({ ...query, format: "ndjson" }), { method: "POST", body: form(file), signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    let piece;
    try {
      piece = await reader.read();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ServiceError("GONE", "the answer broke off");
    }
    if (piece.done) return;
    const lines = (rest + piece.value).split("\n");
    rest = lines.pop();
    if (lines.length) yield lines;
  }
}

export async function alignFile(file, query) {
  return (await call(address(query), { method: "POST", body: form(file) })).blob();
}

const SENTENCES = {
  GONE: () => "The service does not answer. It may have been stopped; this page looks for it and goes on when it is back.",
  UNAUTHENTICATED: () => "The service asks for a key and does not take this one. Enter an API key or a token.",
  UNREADABLE_MEDIA: () => "This file cannot be read as a video or picture. Choose another one, or save it again as MP4, JPEG or PNG.",
  NO_VIDEO_STREAM: () => "This file holds sound and no picture. Choose a video or a picture.",
  NO_FRAMES: () => "Not one frame of this file can be decoded; it is damaged. Choose another copy of it.",
  EMPTY_BODY: () => "This file is empty. Choose another one.",
  UNSUPPORTED_MEDIA: () => "This is neither a video nor a picture. Choose another file.",
  OVERLOADED: () => "The service has too much to do at the moment. Try again in a few seconds.",
  NOT_READY: () => "The service is starting. Try again in a few seconds.",
  GOING_AWAY: () => "The service is being stopped. Try again when it is back.",
  CLIENT_TOO_SLOW: () => "The file came too slowly, and the service stopped waiting. Try again over a better connection.",
  RESUME_TOKEN_EXPIRED: () => "The pause was too long: faces are numbered anew.",
  ORIGIN_REFUSED: () => "This page's address is not admitted by the service. Open the page at the service's own address, or name this one in RED_CORS_ORIGINS.",
  HTTP_404: () => "The service has no such address. It may be of another version than this page: load the page again.",
};

export function sentence(error) {
  if (error.reason === "TOO_LARGE") return `This file is too large for the service: ${error.message}. Choose a shorter or smaller one.`;
  const known = SENTENCES[error.reason];
  if (known) return known();
  if (error instanceof ServiceError) return `The service refused this: ${error.message || error.reason}.`;
  return `Something went wrong in this page: ${error.message}. Load it again.`;
}
