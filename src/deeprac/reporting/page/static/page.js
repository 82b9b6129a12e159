"use strict";

/* Tabs after the ARIA pattern: arrow keys, Home and End move between them. */
const Tabs = (() => {
  const buttons = [...document.querySelectorAll("[role=tab]")];
  const panelOf = (button) =>
    document.getElementById(button.getAttribute("aria-controls"));

  const open = async (name, { focus = false, remember = true } = {}) => {
    const chosen = buttons.find((b) => b.getAttribute("aria-controls") === name);
    for (const button of buttons) {
      const selected = button === chosen;
      button.setAttribute("aria-selected", String(selected));
      button.tabIndex = selected ? 0 : -1;
      panelOf(button).hidden = !selected;
    }
    if (focus) chosen.focus();
    if (remember) history.replaceState(null, "", `#${name}`);
    await Tables.buildIn(panelOf(chosen));
    if (name === "browser") await Browser.start();
  };

  const move = (event) => {
    const here = buttons.indexOf(event.currentTarget);
    const last = buttons.length - 1;
    const target = {
      ArrowRight: here === last ? 0 : here + 1,
      ArrowLeft: here === 0 ? last : here - 1,
      Home: 0,
      End: last,
    }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    open(buttons[target].getAttribute("aria-controls"), { focus: true });
  };

  /* #tab, or the place of a figure inside its tab. */
  const follow = () => {
    const target = document.getElementById(location.hash.slice(1));
    const panel = target && target.closest("[role=tabpanel]");
    if (!panel) return;
    open(panel.id, { remember: false });
    if (target !== panel) target.scrollIntoView();
  };

  const connect = () => {
    for (const button of buttons) {
      const name = button.getAttribute("aria-controls");
      button.addEventListener("click", () => open(name));
      button.addEventListener("keydown", move);
    }
    addEventListener("hashchange", follow);
    /* All tabs are printed, one below another. */
    addEventListener("beforeprint", () => {
      for (const button of buttons) panelOf(button).hidden = false;
      Tables.print();
    });
    addEventListener("afterprint", () => {
      Tables.printed();
      const chosen = buttons.find((b) => b.getAttribute("aria-selected") === "true");
      open(chosen.getAttribute("aria-controls"), { remember: false });
    });
    follow();
  };

  return { connect, open };
})();

Tables.connect();
Browser.connect();
Tabs.connect();
