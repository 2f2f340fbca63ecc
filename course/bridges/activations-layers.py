# %% [markdown] part="end"
# ## What comes next?
#
# You have everything for a network with one hidden layer. Let us write one, by hand, for three sizes:

# %% part="end"
w1, b1 = randn(64, 32) * 0.1, randn(32) * 0.1
w2, b2 = randn(32, 16) * 0.1, randn(16) * 0.1
w3, b3 = randn(16, 10) * 0.1, randn(10) * 0.1


def network(x):
    return softmax(relu(relu(x @ w1 + b1) @ w2 + b2) @ w3 + b3, dim=-1)


print("probabilities of the ten digits:", network(randn(1, 64)))
print("numbers to keep, to train, to save:", [p.shape for p in (w1, b1, w2, b2, w3, b3)])

# %% [markdown] part="end"
# It works. But six variables for three layers, in the right order, and why 0.1? Imagine fifty layers. What
# would you want to have? Write your guess down before you open the next module; it is kept with your work,
# and costs nothing.

# %% [markdown] part="begin"
# ## Where we come from
#
# *Activations* ended with a network of six loose variables and a `0.1` from nowhere. What does that `0.1` do?
# Let a signal run through 20 layers, with three such factors:

# %% part="begin"
from tinytorch import manual_seed, randn
from tinytorch.nn.functional import relu

manual_seed(0)
spreads = {}
for scale in (0.02, 0.1, 0.5):
    x = randn(64, 100)
    spreads[scale] = []
    for _ in range(20):
        x = relu(x @ (randn(100, 100) * scale))
        spreads[scale].append(float(x.numpy().std()))
    print(f"factor {scale}: after 1 layer {spreads[scale][0]:.3g}, after 20 layers {spreads[scale][-1]:.3g}")

# %% [markdown] part="begin"
# Vanished, faded, exploded. So a layer must know how to *start*, too. (Was that in your guess? And the loose
# variables?)
