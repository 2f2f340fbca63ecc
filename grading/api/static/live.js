// Keeps an open page up to date: when the service says that something changed, the page is asked for again and what
// is different is put in place, so that focus, scroll position, open details and half-written forms stay as they are.
"use strict";

(() => {
  const address = document.body.dataset.live;
  const token = document.body.dataset.xsrf;
  const main = document.getElementById("content");
  const news = document.getElementById("news");
  let source = null;
  let asking = false;
  let again = false;

  const same = (one, other) =>
    one.nodeType === other.nodeType && one.nodeName === other.nodeName && (one.id || "") === (other.id || "");

  // What the reader did to an element is theirs: which details are open, what is typed.
  const keptAttributes = { DETAILS: ["open"], INPUT: ["value", "checked"], OPTION: ["selected"] };

  function renewAttributes(old, fresh) {
    const kept = keptAttributes[old.nodeName] || [];
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && !kept.includes(name)) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value && !kept.includes(name)) old.setAttribute(name, value);
    }
  }

  function renew(old, fresh) {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
      return;
    }
    if (old.nodeName === "FORM" && old.contains(document.activeElement)) return;
    renewAttributes(old, fresh);
    const named = new Map([...old.children].filter((each) => each.id).map((each) => [each.id, each]));
    let place = old.firstChild;
    for (const wanted of [...fresh.childNodes]) {
      const moved = wanted.id && named.get(wanted.id);
      if (moved && moved !== place) {
        old.insertBefore(moved, place);
        renew(moved, wanted);
      } else if (place && same(place, wanted)) {
        renew(place, wanted);
        place = place.nextSibling;
      } else {
        old.insertBefore(document.importNode(wanted, true), place);
      }
    }
    while (place) {
      const next = place.nextSibling;
      place.remove();
      place = next;
    }
  }

  async function ask() {
    if (asking) {
      again = true;
      return;
    }
    asking = true;
    try {
      const answer = await fetch(window.location.href, { headers: { "X-Xsrftoken": token }, cache: "no-store" });
      if (!answer.ok || answer.redirected) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const content = fresh.getElementById("content");
      if (content === null) return;
      const waited = main.querySelectorAll(".status.waiting").length;
      renew(main, content);
      document.title = fresh.title;
      if (main.querySelectorAll(".status.waiting").length < waited) news.textContent = "A mark has arrived.";
    } catch {
      // The service is being replaced, or the network is away: the next event asks again.
    } finally {
      asking = false;
      if (again) {
        again = false;
        ask();
      }
    }
  }

  // Only the page that somebody looks at listens: a browser has few connections to one server.
  function listen() {
    if (document.hidden) {
      if (source !== null) source.close();
      source = null;
    } else if (source === null) {
      source = new EventSource(address);
      source.addEventListener("changed", ask);
    }
  }

  document.addEventListener("visibilitychange", () => {
    listen();
    if (!document.hidden) ask();
  });
  window.addEventListener("pagehide", () => source !== null && source.close());
  listen();
})();
