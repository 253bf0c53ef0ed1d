"""Apache Kafka's own integration tests, from its published test jars, run against a broker in a process of its own.

`shim/` replaces the class of Kafka's harness that starts a cluster inside the tests' JVM: before every test it runs a
launcher instead, which starts an empty broker with the test's properties. The tests themselves are untouched.
"""
