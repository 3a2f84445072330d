/** What a script asked for cannot be done. Its text is part of the command's output. */
export class CommandError extends Error {
  override readonly name: string = 'CommandError';
}
