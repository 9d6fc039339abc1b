// Plays a span of a camera: the timeline shows what was recorded and what not, and seeks.
"use strict";

const GRANT_MS = 45 * 60 * 1000; // cookies for media last an hour

const Player = {
  parts: [],
  span: null, // {start, end} in milliseconds
  hls: null,
  granted: null, // {site, at}

  byId(name) {
    return document.getElementById(name);
  },

  say(text) {
    this.byId("said").textContent = text;
  },

  async begin() {
    await SignIn.begin();
    const video = this.byId("video");
    video.addEventListener("timeupdate", () => this.moved());
    video.addEventListener("waiting", () => this.skipGap());
    this.byId("timeline").addEventListener("click", (event) => this.clicked(event));
    this.byId("timeline").addEventListener("keydown", (event) => this.pressed(event));
    this.byId("choice").addEventListener("submit", (event) => this.chosen(event));
    this.byId("site").addEventListener("change", () => this.attempt(() => this.listCameras()));
    window.addEventListener("hashchange", () => this.attempt(() => this.fromAddress()));
    setInterval(() => this.attempt(() => this.granted && this.grant(this.granted.site)), 60_000);
    await this.attempt(async () => {
      const { sites } = await SignIn.ask("/api/sites?limit=1000");
      this.fill("site", sites.map((one) => one.site));
      if (!sites.length) this.say("You see no site: its administrator can add you to its group.");
      await this.listCameras();
      await this.fromAddress();
    });
  },

  /** Does something, and says why it could not be done. */
  async attempt(work) {
    try {
      this.say("");
      await work();
    } catch (error) {
      this.say(error.message);
    }
  },

  fill(name, values) {
    this.byId(name).replaceChildren(...values.map((value) => new Option(value, value)));
  },

  async listCameras() {
    const site = this.byId("site").value;
    if (!site) return;
    const { cameras } = await SignIn.ask(`/api/sites/${encodeURIComponent(site)}/cameras`);
    this.fill("camera", cameras.map((one) => one.camera));
  },

  chosen(event) {
    event.preventDefault();
    const start = new Date(this.byId("start").value);
    const end = new Date(start.getTime() + Number(this.byId("length").value) * 1000);
    location.hash = new URLSearchParams({
      site: this.byId("site").value,
      camera: this.byId("camera").value,
      start: start.toISOString(),
      end: end.toISOString(),
    });
  },

  async fromAddress() {
    const asked = new URLSearchParams(location.hash.slice(1));
    if (!asked.has("camera")) return;
    await this.show(asked.get("site"), asked.get("camera"), asked.get("start"), asked.get("end"));
  },

  /** Lets this browser read a site's media, unless it may already for a while. */
  async grant(site) {
    const now = performance.now();
    if (this.granted && this.granted.site === site && now - this.granted.at < GRANT_MS) return;
    await SignIn.ask(`/api/sites/${encodeURIComponent(site)}/cookies`, "POST");
    this.granted = { site, at: now };
  },

  async show(site, camera, start, end) {
    const span = new URLSearchParams({ start, end });
    const at = `/api/sites/${encodeURIComponent(site)}/cameras/${encodeURIComponent(camera)}`;
    const [coverage] = await Promise.all([SignIn.ask(`${at}/coverage?${span}`), this.grant(site)]);
    this.span = { start: Date.parse(start), end: Date.parse(end) };
    this.tell(site, camera);
    this.draw(coverage);
    if (this.hls) this.hls.destroy();
    this.parts = [];
    this.hls = new Hls({
      maxBufferLength: 20,
      xhrSetup: (request, address) => {
        if (new URL(address, location.href).pathname.startsWith("/api/"))
          request.setRequestHeader("Authorization", `Bearer ${SignIn.token}`);
      },
    });
    const details = (_, data) => {
      this.parts = WallTime.parts(data.details.fragments);
    };
    this.hls.on(Hls.Events.LEVEL_UPDATED, details);
    this.hls.on(Hls.Events.LEVEL_PTS_UPDATED, details);
    this.hls.on(Hls.Events.ERROR, (_, data) => this.failed(data));
    this.hls.loadSource(`${at}/playlist.m3u8?${span}`);
    this.hls.attachMedia(this.byId("video"));
  },

  /** Has the form say what is shown. */
  tell(site, camera) {
    this.byId("site").value = site;
    this.byId("camera").value = camera;
    const local = new Date(this.span.start - new Date(this.span.start).getTimezoneOffset() * 60_000);
    this.byId("start").value = local.toISOString().slice(0, 19);
    for (const name of ["start", "end"]) this.byId(`span-${name}`).textContent = new Date(this.span[name]).toISOString();
  },

  failed(data) {
    if (!data.fatal) return;
    const status = data.response && data.response.code;
    if (status === 403 && this.granted) this.granted.at = -GRANT_MS; // the key has changed, or the hour is over
    this.say(status === 404 ? "Nothing was recorded then that can be played." : `Playing failed: ${data.details}`);
  },

  // ------------------------------------------------------------------------------------------ timeline

  draw(coverage) {
    const bars = ["recorded", "gaps"].flatMap((kind) =>
      coverage[kind].map((one) => this.bar(kind === "gaps" ? "gap" : "recorded", one)),
    );
    const cursor = document.createElement("div");
    cursor.className = "cursor";
    cursor.style.left = "0";
    this.byId("timeline").replaceChildren(...bars, cursor);
  },

  bar(kind, { start, end }) {
    const bar = document.createElement("div");
    bar.className = kind;
    bar.title = `${kind === "gap" ? "not recorded, or not here" : "recorded"} ${start} to ${end}`;
    bar.style.left = `${this.share(Date.parse(start)) * 100}%`;
    bar.style.width = `${(this.share(Date.parse(end)) - this.share(Date.parse(start))) * 100}%`;
    return bar;
  },

  share(wall) {
    return (wall - this.span.start) / (this.span.end - this.span.start);
  },

  /** The wall time of the picture on the screen, in milliseconds; null before there is one. */
  wall() {
    return WallTime.wallOf(this.parts, this.byId("video").currentTime);
  },

  moved() {
    this.skipGap();
    const wall = this.wall();
    const cursor = document.querySelector("#timeline .cursor");
    if (wall === null || !cursor) return;
    cursor.style.left = `${this.share(wall) * 100}%`;
    this.byId("clock").textContent = new Date(wall).toISOString().replace("T", " ");
  },

  skipGap() {
    const video = this.byId("video");
    const next = WallTime.afterGap(this.parts, video.currentTime);
    if (next !== null && next > video.currentTime) video.currentTime = next;
  },

  clicked(event) {
    const box = this.byId("timeline").getBoundingClientRect();
    if (this.span) this.seek(this.span.start + ((event.clientX - box.left) / box.width) * (this.span.end - this.span.start));
  },

  pressed(event) {
    const step = { ArrowLeft: -10_000, ArrowRight: 10_000 }[event.key];
    if (step && this.wall() !== null) this.seek(this.wall() + step);
  },

  /** Goes to a moment, or to the next that was recorded; the milliseconds until its picture is on the screen. */
  seek(wall) {
    const video = this.byId("video");
    const target = WallTime.mediaOf(this.parts, wall);
    if (target === null) return Promise.reject(new Error("nothing is loaded yet"));
    const begun = performance.now();
    return new Promise((resolve) => {
      const shown = (_, frame) => {
        if (Math.abs(frame.mediaTime - target) > 1.0) video.requestVideoFrameCallback(shown);
        else resolve(performance.now() - begun);
      };
      video.requestVideoFrameCallback(shown);
      video.currentTime = target;
    });
  },
};

Player.begin();
