"""A student's server. What the hub decides (address, who may come in, which page opens) comes from it."""

from course.tito import drafts

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - Jupyter puts it here

c.ServerApp.jpserver_extensions = {
    # Of no use without a language server, or without an old notebook's settings; each costs its import.
    "jupyter_lsp": False,
    "notebook_shim": False,
    # What nbgrader's panels ask for, without its imports.
    "course.exchange.extension": True,
    # The next step, and what is announced.
    "course.lab.extension": True,
}

c.ServerApp.terminals_enabled = True
# Not a login shell: /etc/profile would take our Python and tito off the path.
c.ServerApp.terminado_settings = {"shell_command": ["/bin/bash"]}
c.MappingKernelManager.cull_idle_timeout = 0  # the hub stops whole servers; a kernel alone would go unseen

# What the hub runs is what its admin deployed: no news, no look for newer versions, nothing to install.
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.news_url = None
c.LabApp.extension_manager = "readonly"

c.ContentsManager.allow_hidden = False
c.FileContentsManager.delete_to_trash = False  # a bin in the home would fill it, out of sight

drafts.follow(c)  # while an exam runs, what is saved is safe with the grading service
