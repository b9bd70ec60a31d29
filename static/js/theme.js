// Applies the chosen theme before the first paint; without a choice the system's own holds.
(() => {
  const choose = (theme) => {
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
  };
  const stored = () => {
    try { return localStorage.getItem("theme") || "auto"; } catch { return "auto"; }
  };
  choose(stored());
  document.addEventListener("DOMContentLoaded", () => {
    for (const input of document.querySelectorAll('input[name="theme"]')) input.checked = input.value === stored();
  });
  document.addEventListener("change", (event) => {
    if (event.target.name !== "theme") return;
    try { localStorage.setItem("theme", event.target.value); } catch { /* A private window forgets; so be it. */ }
    choose(event.target.value);
    document.dispatchEvent(new CustomEvent("theme:changed"));
  });
})();
