// The page of who waits for a server: shows the place in the line as it changes, and goes on by itself.
"use strict";

(() => {
  const place = document.getElementById("place");
  const leave = document.getElementById("leave");
  const news = new EventSource(place.dataset.news);

  news.onmessage = (event) => {
    const { message, ready, failed } = JSON.parse(event.data);
    if (ready || failed) {
      news.close();
      location.reload(); // the hub sends on to the server, or says why there is none
    } else if (message) {
      place.textContent = message;
    }
  };

  // The hub restarts, and has forgotten the line: ask again, as by a click. While it is away, the proxy's page tries on.
  news.onerror = () => {
    news.close();
    setTimeout(() => location.replace(place.dataset.spawn + location.search), 2000);
  };

  leave.addEventListener("click", async () => {
    leave.disabled = true;
    news.close();
    const { server, xsrf, home } = leave.dataset;
    await fetch(server, { method: "DELETE", headers: { "X-XSRFToken": xsrf } });
    location.replace(home);
  });
})();
