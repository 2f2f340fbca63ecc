# %% [markdown] part="end"
# ## What comes next?
#
# Your model answers. Let us ask it for real digits:

# %% part="end"
from course.datasets import load

digits = load("digits")
images, labels = Tensor(digits["test_images"]), np.asarray(digits["test_labels"])
model = Sequential(Flatten(), Linear(64, 32), ReLU(), Linear(32, 10))
answers = model(images).argmax(dim=1).numpy()
print("it says :", answers[:15])
print("it is   :", labels[:15])
print(f"right   : {(answers == labels).mean():.1%}")

# %% [markdown] part="end"
# As good as guessing: every weight is random. Before anything can improve, something has to say *how wrong*
# an answer is, as one number. What would you compute? Write your guess down before you go on; it is kept with
# your work, and costs nothing. (First, the milestone *perceptron* waits: `tito milestone info perceptron`.)
