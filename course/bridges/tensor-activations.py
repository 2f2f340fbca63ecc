# %% [markdown] part="end"
# ## What comes next?
#
# You can now chain matrix products, as deep networks do. Here two of them, and then one:

# %% part="end"
first, second, x = randn(4, 16), randn(16, 3), randn(5, 4)
two_steps = (x @ first) @ second
one_step = x @ (first @ second)
print("largest difference:", float(abs((two_steps - one_step).data).max()))

# %% [markdown] part="end"
# Two layers, 112 numbers, and they do nothing that one with 12 could not do. A hundred layers would not
# either. What is missing between them? Write your guess down before you open the next module; it is kept with
# your work, and costs nothing.

# %% [markdown] part="begin"
# ## Where we come from
#
# *Tensor* ended with two matrix products that did no more than one. Here it is once more, with your own
# tensors:

# %% part="begin"
from tinytorch import manual_seed, randn

manual_seed(0)
first, second, x = randn(4, 16), randn(16, 3), randn(5, 4)
print("two layers :", ((x @ first) @ second)[0])
print("one layer  :", (x @ (first @ second))[0])
print("bent between:", (((x @ first) * ((x @ first) > 0)) @ second)[0])

# %% [markdown] part="begin"
# The third line sets the negative numbers between the layers to 0, and at once the two layers are *not* one
# any more. That is what was missing. (What did you guess?) Let us see first why it is needed, always, and not
# only for these numbers.
