// Holds new entries back while a person reads: a list that is scrolled, or has an entry open, does not move. A button
// tells how many are new and shows them.
(() => {
  const held = new Map();

  const reading = (list) => {
    if (list.querySelector("details[open]")) return true;
    const scroller = list.closest("[data-scroller]");
    if (scroller && scroller.scrollHeight > scroller.clientHeight + 4) return scroller.scrollTop > 4;
    return list.getBoundingClientRect().top < -40;
  };

  const tell = (list, fresh) => {
    const button = document.querySelector(`[data-news-for="${list.id}"]`);
    if (!button) return;
    const count = fresh ? [...fresh.children].filter((entry) => entry.id && !document.getElementById(entry.id)).length : 0;
    button.hidden = count === 0;
    button.textContent = `${count} new`;
  };

  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    const list = event.detail.target;
    if (!list.hasAttribute("data-hold")) return;
    if (!reading(list)) {
      held.delete(list.id);
      tell(list, null);
      return;
    }
    event.detail.shouldSwap = false;
    const fresh = event.detail.fragment.firstElementChild;
    held.set(list.id, fresh.outerHTML);
    tell(list, fresh);
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-news-for]");
    if (!button) return;
    const list = document.getElementById(button.dataset.newsFor);
    for (const open of list.querySelectorAll("details[open]")) open.open = false;
    const html = held.get(list.id);
    if (html) {
      Idiomorph.morph(list, html, { morphStyle: "outerHTML" });
      htmx.process(list);
    }
    document.dispatchEvent(new CustomEvent("fragments:shown"));
    held.delete(button.dataset.newsFor);
    button.hidden = true;
    const scroller = document.getElementById(button.dataset.newsFor).closest("[data-scroller]");
    if (scroller) scroller.scrollTop = 0;
    scroller?.focus({ preventScroll: true });
  });
})();
