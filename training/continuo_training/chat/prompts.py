"""Questions of our own making, in a fixed order. The answers are the base model's (see `generate`)."""

from __future__ import annotations

from random import Random

_TOPICS = (
    "the water cycle|volcanoes|the Moon|photosynthesis|honey bees|coral reefs|the Roman Empire|the Silk Road|the printing press|jazz music|"
    "chess|marathon running|sleep|coffee|sourdough bread|olive oil|vaccines|the human heart|black holes|gravity|electricity|wind power|"
    "recycling|earthquakes|rainforests|penguins|elephants|dinosaurs|the Renaissance|Shakespeare|poetry|photography|architecture|bridges|"
    "railways|bicycles|sailing|maps|calendars|libraries|museums|public speaking|time management|meditation|gardening|saving money|"
    "job interviews|learning a language|teamwork|friendship|machine learning|databases|the internet|open source software|encryption|"
    "operating systems|web browsers|unit tests|version control|algorithms|computer memory|robots|the scientific method|statistics|probability"
).split("|")

_ABOUT = (
    "Explain {} in simple terms.",
    "What is the most important thing to know about {}?",
    "Write a short paragraph about {}.",
    "Give me five interesting facts about {}.",
    "Write three questions a teacher could ask about {}.",
    "How would you explain {} to a ten-year-old child?",
    "List the advantages and disadvantages of {}.",
    "Write a short poem about {}.",
    "Summarise what is known about {} in two sentences.",
    "Why does {} matter?",
    "Write a title and a one-line description for an article about {}.",
    "Tell me a very short story that has to do with {}.",
    "What are common misconceptions about {}?",
    "Suggest three activities for somebody who wants to know more about {}.",
    "Write a friendly e-mail that invites a colleague to a talk about {}.",
    "Describe {} with one comparison.",
)

_TASKS = (
    "reverses a string|checks whether a number is even|counts the words in a text|merges two sorted lists|removes duplicates from a list|"
    "computes a factorial|reads a text file line by line|finds the longest word in a sentence|converts Celsius to Fahrenheit|"
    "sorts a list of dictionaries by a key|flattens a nested list|computes the average of a list|validates an e-mail address roughly|"
    "groups items by their first letter|finds the common elements of two lists|formats a date as year-month-day|"
    "counts how often each character occurs|splits a list into chunks|rounds prices to two decimals|retries an operation three times|"
    "caches the result of a slow call|parses a query string|generates a random password|computes a running total|capitalises every word"
).split("|")

_CODE = (
    "Write a Python function that {}.",
    "Write a JavaScript function that {}.",
    "Write a TypeScript function with types that {}.",
    "Show a Python example that {}, and explain it in two sentences.",
    "How would you test a function that {}?",
    "What can go wrong in a function that {}?",
    "Suggest a good name and a docstring for a function that {}.",
)

_SENTENCES = (
    "me and him was going to the store yesterday|the meeting is moved because the boss have no time|we was very happy with you're service|"
    "i think that maybe it could be possible that we are late|the report need to be done until friday by all of us|"
    "there is many reasons why this product are better|please to send me the informations as soon as possible|"
    "he don't know nothing about the plan|the weather was nice so therefore we went outside to the outside|it is what it is and that is that|"
    "our team has made the decision to carry out an investigation|i am writing you for ask about the room|"
    "this function is doing the calculation of the sum of the numbers|she said she will come but she didn't came"
).split("|")

_REWRITE = (
    "Correct this sentence: {}",
    "Rewrite this sentence so that it is more formal: {}",
    "Make this sentence shorter: {}",
    "Rewrite this in a friendly tone: {}",
    "What is wrong with this sentence? {}",
)

_CHINESE_TOPICS = "春天|长城|人工智能|读书|健康饮食|北京|数学|音乐|环境保护|编程|旅行|茶".split("|")

_CHINESE = ("请简单介绍一下{}。", "用一句话说明{}。", "写一段关于{}的短文。")

_SHORT = (
    "What is the capital of {}?",
    "On which continent is {}?",
    "Name two neighbours of {}.",
    "What is {} known for?",
)

_COUNTRIES = "France|Japan|Brazil|Kenya|Canada|Egypt|Norway|India|Mexico|Thailand|Spain|Peru|Greece|Vietnam|Poland|Morocco".split("|")

#: System messages of the dialogues that have one.
SYSTEMS = (
    "You are Continuo, a helpful assistant.",
    "You are a helpful assistant.",
    "You are Continuo, a small model that continues text and code.",
    "Answer briefly.",
    "You are a patient teacher.",
    "You are an experienced programmer.",
)


def prompts() -> list[str]:
    """All questions, in an order that mixes the kinds. Always the same."""
    groups = ((_ABOUT, _TOPICS), (_CODE, _TASKS), (_REWRITE, _SENTENCES), (_CHINESE, _CHINESE_TOPICS), (_SHORT, _COUNTRIES))
    made = [form.format(subject) for forms, subjects in groups for form in forms for subject in subjects]
    Random(1).shuffle(made)
    return made


#: What the model says of itself: the only answers here that nobody generated.
ABOUT_ITSELF = (
    ("Who are you?", "I am Continuo, a small language model. I continue text and code, and I can answer short questions."),
    ("What is your name?", "My name is Continuo."),
    ("What can you do?", "I can fill in missing code between a beginning and an end, continue a text you have begun, and answer simple questions."),
    ("Are you ChatGPT?", "No. I am Continuo, a small open model that runs on your own machine."),
    ("Who made you?", "I am Continuo. I was made from SmolLM2-135M-Instruct by Hugging Face and taught to fill in the middle of code."),
    ("你是谁？", "我是 Continuo，一个小型语言模型，可以续写文本和代码。"),
)
