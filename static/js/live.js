// Keeps a page alive: says how it is connected, polls while the socket is down, marks changed numbers, and keeps
// what a person has opened open. Dialogs and menus are at the end.
(() => {
  const POLL = 5000; // milliseconds between two polls while the socket is down
  const SILENCE = 40000; // the server says something every 15 s; after this the line is dead
  const REDONE = [1006, 1011, 1012, 1013]; // closings after which the extension reconnects by itself
  const WORDS = {
    connecting: "connecting",
    live: "live",
    stale: "stale · reconnecting",
    offline: "stale · offline",
  };

  const poll = document.getElementById("poll");
  const badge = document.getElementById("connection");
  let socket = null;
  let heard = Date.now();
  let wrapper = null;

  const say = (state) => {
    if (!badge || badge.dataset.state === state) return;
    badge.dataset.state = state;
    badge.textContent = WORDS[state];
  };

  htmx.config.wsReconnectDelay = (tries) => Math.min(8000, 500 * 2 ** Math.min(tries, 4)) * (0.5 + Math.random() / 2);

  document.addEventListener("htmx:wsOpen", (event) => {
    socket = event.detail.event.target;
    wrapper = event.detail.socketWrapper || wrapper;
    heard = Date.now();
    say("live");
  });
  document.addEventListener("htmx:wsAfterMessage", () => { heard = Date.now(); });
  document.addEventListener("htmx:wsClose", (event) => {
    const closed = event.detail.event;
    wrapper = event.detail.socketWrapper || wrapper;
    if (socket && closed.target !== socket) return;
    const had = socket !== null;
    socket = null;
    say("stale");
    if (had && wrapper && !REDONE.includes(closed.code)) setTimeout(() => { if (!socket) wrapper.reconnect(); }, 1500);
  });

  if (poll) {
    setInterval(() => {
      if (socket && Date.now() - heard > SILENCE && wrapper) {
        socket = null;
        say("stale");
        wrapper.reconnect();
      }
      if (!socket && document.visibilityState === "visible" && Date.now() - heard > POLL - 500) htmx.trigger(poll, "poll");
    }, POLL);
    poll.addEventListener("htmx:afterRequest", (event) => {
      if (socket) return;
      if (event.detail.successful) say("stale");
      else say("offline");
    });
  }

  // --- What a swap may and may not touch

  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const mark = (element) => {
    if (!still.matches) element.animate([{ backgroundColor: "var(--mark)" }, { backgroundColor: "var(--mark)" }], { duration: 300 });
  };
  const callbacks = Idiomorph.defaults.callbacks;
  callbacks.beforeAttributeUpdated = (name, element) =>
    !(name === "open" && (element.localName === "details" || element.localName === "dialog"));
  callbacks.beforeNodeMorphed = (old, fresh) => {
    if (old.nodeType !== Node.ELEMENT_NODE) return true;
    if (old.hasAttribute("data-keep")) return false;
    if (old.hasAttribute("data-n") && old.textContent !== fresh.textContent) mark(old);
    return true;
  };

  // --- Dialogs, notices, menus

  const dialog = document.getElementById("dialog");
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target === dialog && !dialog.open) dialog.showModal();
  });
  document.addEventListener("dialog:close", () => dialog.close());
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-close]") || event.target === dialog) dialog.close();
    if (event.target.closest("[data-dismiss]")) event.target.closest(".notice").remove();
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target) || event.target.closest(".drop button")) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
  const problem = (words) => {
    const notice = document.getElementById("notice");
    const line = document.createElement("p");
    line.className = "notice warning";
    line.textContent = words;
    notice.replaceChildren(line);
  };
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.elt === poll) return;
    const refused = event.detail.xhr.status === 403;
    problem(refused ? "This was refused. Reload the page and try again." : "The server could not do this. Nothing was changed by this page.");
    if (dialog.open) dialog.close();
  });
  document.addEventListener("htmx:sendError", (event) => {
    if (event.detail.elt !== poll) problem("The server was not reached. Try again when the page says it is live.");
  });
})();
