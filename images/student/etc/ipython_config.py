"""Every kernel and every ipython of a student's server: `%tito` is there."""

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - IPython puts it here

c.InteractiveShellApp.extensions = ["course.tito.magic"]
