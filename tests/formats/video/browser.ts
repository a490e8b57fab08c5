/**
 * Shows an MP4 file in a headless browser and prints what the browser makes of it: a program of its own,
 * because only it may start one. Arguments: the browser, the file, frames a second.
 *
 * @module
 */

/** What a browser sees of a video. */
export interface Seen {
  readonly width: number;
  readonly height: number;
  /** Seconds. */
  readonly duration: number;
  /** Frames that it has decoded from the beginning to the end. */
  readonly played: number;
  /** Red, green and blue of every frame, in base64. */
  readonly frames: readonly string[];
  /** What went wrong, if anything did. */
  readonly problem?: string;
}

/** The page: plays to the end, then looks at the middle of each frame. */
const page = (fps: number) =>
  `<!doctype html><video muted></video><script type="module">
const video = document.querySelector("video");
const heard = (name) => new Promise((resolve, reject) => {
  video.addEventListener(name, resolve, { once: true });
  video.addEventListener("error", () => reject(new Error(video.error.message)), { once: true });
});
async function look() {
  const loaded = heard("loadeddata");
  video.src = URL.createObjectURL(await (await fetch("/clip.mp4")).blob());
  await loaded;
  const { videoWidth: width, videoHeight: height, duration } = video;
  const ended = heard("ended");
  await video.play();
  await ended;
  const played = video.getVideoPlaybackQuality().totalVideoFrames;
  const canvas = new OffscreenCanvas(width, height).getContext("2d");
  const frames = [];
  for (let frame = 0; (frame + 0.5) / ${fps} < duration; frame++) {
    const sought = heard("seeked");
    video.currentTime = (frame + 0.5) / ${fps};
    await sought;
    canvas.drawImage(video, 0, 0);
    const { data } = canvas.getImageData(0, 0, width, height);
    frames.push(data.filter((_, place) => place % 4 < 3));
  }
  const text = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return { width, height, duration, played, frames: frames.map(text) };
}
const seen = await look().catch((error) => ({ problem: String(error) }));
await fetch("/seen", { method: "POST", body: JSON.stringify(seen) });
</script>`;

/** Serves the page and the file; resolves with what the page has sent. */
async function watch(browser: string, file: string, fps: number): Promise<string> {
  const profile = await Deno.makeTempDir({ prefix: "tessera browser " });
  const sent = Promise.withResolvers<string>();
  const html = { headers: { "content-type": "text/html" } };
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/clip.mp4") return new Response(await Deno.readFile(file));
      if (pathname !== "/seen") return new Response(page(fps), html);
      sent.resolve(await request.text());
      return new Response();
    },
  );
  const child = new Deno.Command(browser, {
    args: [
      ...["--headless=new", "--no-sandbox", "--disable-gpu", "--mute-audio"],
      ...["--autoplay-policy=no-user-gesture-required", `--user-data-dir=${profile}`],
      `http://127.0.0.1:${server.addr.port}/`,
    ],
    // Whatever it leaves behind is removed with its profile.
    env: { TMPDIR: profile },
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    const ended = child.status.then(({ code }) => {
      throw new Error(`the browser ended with exit code ${code}`);
    });
    return await Promise.race([sent.promise, ended]);
  } finally {
    child.kill("SIGTERM");
    await child.status;
    await removeLeft(profile);
  }
}

/** Removes a folder into which processes of the browser that end behind it may still write. */
async function removeLeft(folder: string): Promise<void> {
  for (let attempt = 1;; attempt++) {
    try {
      return await Deno.remove(folder, { recursive: true });
    } catch (error) {
      if (attempt === 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

if (import.meta.main) {
  const [browser, file, fps] = Deno.args;
  console.log(await watch(browser, file, Number(fps)));
}
