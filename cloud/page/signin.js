// Signs people in (OAuth 2, code with PKCE), and asks the API in their name. The token stays in this tab.
"use strict";

const SignIn = {
  async begin() {
    this.config = await (await fetch("/config.json")).json();
    const given = new URLSearchParams(location.search);
    if (given.has("code")) await this.finish(given);
    this.token = sessionStorage.getItem("token");
    if (!this.token) await this.leave();
  },

  /** Goes to where people sign in; does not come back. */
  async leave() {
    const verifier = this.random();
    const state = this.random();
    sessionStorage.removeItem("token");
    sessionStorage.setItem("signing-in", JSON.stringify({ verifier, state, hash: location.hash }));
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
    const asked = new URLSearchParams({
      response_type: "code",
      client_id: this.config.client_id,
      redirect_uri: location.origin + "/",
      scope: "openid",
      state,
      code_challenge: this.text(new Uint8Array(digest)),
      code_challenge_method: "S256",
    });
    location.assign(`${this.config.authorize}?${asked}`);
    await new Promise(() => {});
  },

  async finish(given) {
    const begun = JSON.parse(sessionStorage.getItem("signing-in") || "{}");
    sessionStorage.removeItem("signing-in");
    if (begun.state && begun.state === given.get("state")) {
      const body = new URLSearchParams({
        grant_type: "authorization_code",
        client_id: this.config.client_id,
        redirect_uri: location.origin + "/",
        code: given.get("code"),
        code_verifier: begun.verifier,
      });
      const answer = await fetch(this.config.token, { method: "POST", body });
      if (answer.ok) sessionStorage.setItem("token", (await answer.json()).access_token);
    }
    history.replaceState(null, "", "/" + (begun.hash || ""));
  },

  /** An answer of the API; an Error with its message when it refuses. */
  async ask(path, method = "GET") {
    const answer = await fetch(path, { method, headers: { Authorization: `Bearer ${this.token}` } });
    if (answer.status === 401) await this.leave();
    if (answer.status === 204) return null;
    const said = await answer.json();
    if (!answer.ok) throw new Error((said.error && said.error.message) || said.message || `status ${answer.status}`);
    return said;
  },

  random() {
    return this.text(crypto.getRandomValues(new Uint8Array(32)));
  },

  text(bytes) {
    return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
  },
};
