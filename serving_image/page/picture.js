// A picture on its way to the server.

const MAX_SENT = 1024 * 1024; // where the server keeps no feedback
const MAX_SIDE = 512;
const QUALITIES = [0.9, 0.75, 0.5];

/** The question that a file is: as it is where it may go so, else a smaller JPEG of it on white.
 * `maxBytes` is how long a picture may be that can be approved or corrected, null if none can. */
export async function question(file, accepted, maxBytes) {
  const isPicture = file.type.startsWith("image/");
  const most = maxBytes ?? MAX_SENT;
  if (!isPicture || (file.size <= most && accepted.includes(file.type)))
    return { body: file, mediaType: file.type || "application/octet-stream", note: "" };
  const bitmap = await decoded(file);
  const scale = Math.min(1, MAX_SIDE / Math.max(bitmap.width, bitmap.height));
  const width = Math.max(1, Math.round(bitmap.width * scale));
  const height = Math.max(1, Math.round(bitmap.height * scale));
  const body = await encoded(bitmap, width, height, most);
  return { body, mediaType: body.type, note: `sent as a JPEG of ${width} × ${height} pixels` };
}

async function decoded(file) {
  try {
    return await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name} is no picture that this browser can read.`);
  }
}

async function encoded(bitmap, width, height, most) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  for (const quality of QUALITIES) {
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", quality));
    if (blob.size <= most || quality === QUALITIES.at(-1)) return blob;
  }
}
