"""formgrader's server. What the hub decides (address, who may come in) comes from it."""

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - Jupyter puts it here

c.ServerApp.jpserver_extensions = {
    "grading.nbgrader_side.extension": True,  # loads nbgrader's formgrader, guarded
    "nbgrader.server_extensions.formgrader": False,
    "nbgrader.server_extensions.assignment_list": False,  # students'
    "nbgrader.server_extensions.course_list": False,  # there is one course
    "nbgrader.server_extensions.validate_assignment": False,  # it would run a notebook here
    "jupyter_lsp": False,
    "notebook_shim": False,
    "notebook": False,
}
c.ServerApp.authorizer_class = "grading.nbgrader_side.extension.MarkersAuthorizer"
c.ServerApp.root_dir = "/srv/nbgrader"
c.ServerApp.default_url = "/formgrader"
# formgrader's pages stand in a frame of JupyterLab's, of the same address; in nobody else's.
c.ServerApp.tornado_settings = {"headers": {"Content-Security-Policy": "frame-ancestors 'self'"}}
c.ServerApp.terminado_settings = {"shell_command": ["/bin/bash"]}

c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.news_url = None
c.LabApp.extension_manager = "readonly"
