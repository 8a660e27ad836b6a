import { open } from "node:fs/promises";

/** The first four bytes of every GGUF file. */
export const GGUF_MAGIC: Buffer = Buffer.from("GGUF", "latin1");

/** Whether a file begins like a GGUF file. Throws what the file system throws. */
export async function beginsLikeGguf(path: string): Promise<boolean> {
  const file = await open(path, "r");
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(GGUF_MAGIC.length), 0, GGUF_MAGIC.length, 0);
    return buffer.subarray(0, bytesRead).equals(GGUF_MAGIC);
  } finally {
    await file.close();
  }
}
