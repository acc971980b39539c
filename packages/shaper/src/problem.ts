/** Something about an attachment that is not as it should be. */
export interface Problem {
  /** A short name: "FQ_MISSING". */
  code: string;
  /** One sentence that says what is off, and where. */
  message: string;
  /** What to do about it. */
  remedy: string;
}

/** A problem that applying the limits again puts right. */
export function repairable(code: string, message: string): Problem {
  return { code, message, remedy: "Apply the limits again." };
}
