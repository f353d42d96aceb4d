/** The error that every assertion of this package throws. */
export class AssertionError extends Error {
  override name = "AssertionError";
}

/** Appends the caller's note, if there is one, to what the assertion says. */
export function withNote(message: string, note: string | undefined): string {
  return note ? `${message}: ${note}` : `${message}.`;
}

/** A value as it is shown in an assertion's message: long ones are cut. */
export function show(value: unknown): string {
  const text = Deno.inspect(value, {
    depth: 8,
    sorted: true,
    trailingComma: true,
    compact: false,
    iterableLimit: 200,
    strAbbreviateSize: 2000,
  });
  return text.length > 8000 ? `${text.slice(0, 8000)}… (${text.length} characters)` : text;
}
