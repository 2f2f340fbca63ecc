// The class's announcement, and a warning while a student's disk space runs out, across the top of JupyterLab. What a browser
// gets is this file: there is nothing to build.
//
// JupyterLab loads extensions as module federation's containers: an object with `init`, which is handed the modules that all
// share, and `get`, which gives the plugin. Two shared modules are wanted here: Lumino's Widget, for a place in the page, and
// JupyterLab's way to ask its server, with the token that the server wants to see.
'use strict';

(() => {
  const NAME = 'tinytorch-announcement';
  const LINES = [
    {
      id: NAME,
      label: 'Announcement',
      hiding: 'Hide the announcement',
      asked: 'announcement',
      every: 5000, // milliseconds: 'at once' for a class, and one small question to the student's own server
      which: 'since',
    },
    {
      id: 'tinytorch-disk',
      label: 'Disk space',
      hiding: 'Hide the warning about disk space',
      asked: 'disk',
      every: 60000,
      which: 'level',
    },
  ];

  const STYLE = `
    .tinytorch-line { background: var(--jp-layout-color2); color: var(--jp-ui-font-color1); overflow: hidden; }
    .tinytorch-line > div { display: flex; align-items: flex-start; gap: 12px; }
    .tinytorch-line p { flex: 1; margin: 0; padding: 8px 12px; border-left: 4px solid var(--jp-brand-color1);
      font-size: var(--jp-ui-font-size2); line-height: 1.4; overflow-wrap: anywhere; }
    .tinytorch-line p:empty { padding: 0; border: 0; } /* still there for a screen reader */
    .tinytorch-line p:empty + button { display: none; }
    .tinytorch-line button { margin: 6px 12px; padding: 4px 12px; border: 1px solid currentColor; border-radius: 4px;
      background: none; color: inherit; font: inherit; cursor: pointer; }
    .tinytorch-line button:focus-visible { outline: 2px solid var(--jp-brand-color1); outline-offset: 2px; }`;

  let shared;

  // What the server is asked for now and then: {text: what is shown, [which]: what tells it from another}.
  function addLine(app, Widget, ServerConnection, { id, label, hiding, asked, every, which }) {
    const text = document.createElement('p');
    text.dir = 'auto';
    const hide = document.createElement('button');
    hide.type = 'button';
    hide.textContent = 'Hide';
    hide.setAttribute('aria-label', hiding);
    const line = document.createElement('div');
    line.append(text, hide);
    // Always in the page, so that a screen reader hears of what comes to stand in it.
    text.setAttribute('role', 'status');
    text.setAttribute('aria-label', label);

    const banner = new Widget();
    banner.id = id;
    banner.addClass('tinytorch-line');
    banner.title.label = label;
    banner.node.append(line);
    app.shell.add(banner, 'header');
    // The shell gives a widget the height that it asks for, which here depends on the width.
    new ResizeObserver(() => {
      banner.node.style.minHeight = `${line.offsetHeight}px`;
      banner.parent?.fit();
    }).observe(line);

    const hidden = `${id}-hidden`; // in the browser's memory: which one its reader has put away
    let shown = { text: '' };
    function show() {
      const words = localStorage.getItem(hidden) === shown[which] ? '' : shown.text;
      if (text.textContent !== words) {
        text.textContent = words; // text, never markup
      }
    }
    hide.addEventListener('click', () => {
      localStorage.setItem(hidden, shown[which]);
      show();
    });

    const { serverSettings } = app.serviceManager;
    const address = `${serverSettings.baseUrl}${asked}?no_track_activity=1`;
    async function look() {
      if (document.hidden) {
        return;
      }
      try {
        const answer = await ServerConnection.makeRequest(address, { cache: 'no-cache' }, serverSettings);
        if (answer.ok) {
          shown = await answer.json();
          if (!shown.text) {
            localStorage.removeItem(hidden); // it is over: should it come again, it is shown again
          }
          show();
        }
      } catch {
        // The server is away: JupyterLab says so itself, and what was shown stays.
      }
    }
    document.addEventListener('visibilitychange', look);
    setInterval(look, every);
    void look();
  }

  function activate(app, Widget, ServerConnection) {
    const style = document.createElement('style');
    style.textContent = STYLE;
    document.head.append(style);
    for (const line of LINES) {
      addLine(app, Widget, ServerConnection, line);
    }
  }

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB[NAME] = {
    init: (scope) => {
      shared = scope;
    },
    get: async () => {
      const load = async (name) => (await Object.values(shared[name])[0].get())();
      const { Widget } = await load('@lumino/widgets');
      const { ServerConnection } = await load('@jupyterlab/services');
      return () => ({
        __esModule: true,
        default: { id: `${NAME}:banner`, autoStart: true, activate: (app) => activate(app, Widget, ServerConnection) },
      });
    },
  };
})();
