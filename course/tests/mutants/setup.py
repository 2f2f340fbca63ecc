"""Wrong solutions of the module setup."""

# ruff: noqa: E501

MUTANTS = {
    "setup-memory": [
        ("elements = 1", "elements = 0"),
        ("elements *= size", "elements += size"),
        ("elements * np.dtype(dtype).itemsize", "elements"),
        ("np.dtype(dtype).itemsize", "4"),
        ("for size in shape:", "for size in shape[1:]:"),
        ("return int(", "return float("),
    ],
    "setup-dot": [
        ("range(len(a))", "range(len(a) - 1)"),
        ("total += a[i] * b[i]", "total -= a[i] * b[i]"),
        ("total += a[i] * b[i]", "total += a[i] + b[i]"),
        ("if len(a) != len(b):", "if len(a) > len(b):"),
        ("return np.dot(a, b)", "return a * b"),
        ("return np.dot(a, b)", "n = min(len(a), len(b)); return np.dot(a[:n], b[:n])"),
        ("return np.dot(a, b)", "return 0.0"),
    ],
    "setup-seconds": [
        ("return min(times)", "return max(times)"),
        ("return min(times)", "return sum(times) / len(times)"),
        ("return min(times)", "return times[0]"),
        ("return min(times)", "return 0.0"),
        ("range(repeat)", "range(repeat - 1)"),
        ("range(repeat)", "range(5)"),
        ("function(*arguments)\n        times", "function(arguments[0] if arguments else None)\n        times"),
        ("time.perf_counter() - start", "start - time.perf_counter()"),
    ],
    "setup-nearest": [
        (".sum(axis=-1)", ".sum(axis=0)"),
        (".sum(axis=-1)", ".mean(axis=-1)"),
        (" ** 2)", ")"),
        (" ** 2)", ").__abs__()"),
        ("((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=-1)", "((b[:, None, :] - a[None, :, :]) ** 2).sum(axis=-1)"),
        ("((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=-1)", "np.zeros((len(a), len(b)))"),
        ("argmin(axis=1)", "argmax(axis=1)"),
        ("argmin(axis=1)", "argmin(axis=0)"),
        ("labels[distances(unknown, known).argmin(axis=1)]", "distances(unknown, known).argmin(axis=1)"),
        ("labels[distances(unknown, known).argmin(axis=1)]", "labels[-1 - distances(unknown, known)[:, ::-1].argmin(axis=1)]"),
    ],
}  # fmt: skip
