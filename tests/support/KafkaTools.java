import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;

/**
 * Kafka's command line tools, many times in one process. A line of standard input is the class of a tool, its standard
 * input in base64 and its arguments, separated by tabs; a line of standard output the exit code and, in base64, what it
 * printed.
 *
 * A class name that begins with "+" is loaded anew, with all that it uses, for tools that keep their state in statics;
 * one that begins with "&" is, too, and its tool goes on in the background; with "~", it is loaded anew, and what is
 * printed after its end is waited for.
 */
public class KafkaTools {
    private static final long DEADLINE_MS = 120_000;
    private static final long QUIET_MS = 2000;
    private static final int STILL_RUNNING = -1;

    private static final class Ended extends Error {
        final int code;

        Ended(int code) {
            super("exit " + code, null, false, false);
            this.code = code;
        }
    }

    private static final ClassLoader SHARED = newLoader();

    public static void main(String[] ignored) throws Exception {
        PrintStream answers = System.out;
        InputStream in = System.in;
        BufferedReader lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = line.split("\t", -1);
            ByteArrayOutputStream printed = new ByteArrayOutputStream();
            PrintStream stream = new PrintStream(printed, true, StandardCharsets.UTF_8);
            System.setOut(stream);
            System.setErr(stream);
            System.setIn(new ByteArrayInputStream(Base64.getDecoder().decode(words[1])));
            int code = run(words[0], Arrays.copyOfRange(words, 2, words.length), printed, stream);
            answers.println(code + " " + Base64.getEncoder().encodeToString(printed.toByteArray()));
            answers.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    private static int run(String name, String[] arguments, ByteArrayOutputStream printed, PrintStream stream)
        throws Exception {
        boolean background = name.startsWith("&");
        boolean lingers = name.startsWith("~");
        boolean anew = name.startsWith("+") || background || lingers;
        ClassLoader loader = anew ? newLoader() : SHARED;
        int[] code = {STILL_RUNNING};
        Thread thread = new Thread(() -> code[0] = call(loader, anew ? name.substring(1) : name, arguments, stream));
        thread.setContextClassLoader(loader);
        thread.start();
        thread.join(background ? 1 : DEADLINE_MS);
        for (int size = -1; lingers && size != printed.size(); Thread.sleep(QUIET_MS))
            size = printed.size();
        return code[0];
    }

    private static int call(ClassLoader loader, String name, String[] arguments, PrintStream stream) {
        int[] exit = {STILL_RUNNING};
        List<Runnable> hooks = new ArrayList<>();
        try {
            catchExits(loader, exit, hooks);
            Method main = loader.loadClass(name).getMethod("main", String[].class);
            withScalasConsole(loader, stream, () -> main.invoke(null, (Object) arguments));
            return 0;
        } catch (Throwable failure) {
            if (exit[0] != STILL_RUNNING)
                return exit[0];
            Throwable cause = failure instanceof InvocationTargetException ? failure.getCause() : failure;
            cause.printStackTrace(stream);
            return 1;
        } finally {
            hooks.forEach(Runnable::run);
        }
    }

    /** What ends a process ends only the thread; the first code counts, as a tool may catch the error and exit again. */
    private static void catchExits(ClassLoader loader, int[] exit, List<Runnable> hooks) throws Exception {
        Class<?> exits = loader.loadClass("org.apache.kafka.common.utils.Exit");
        Class<?> procedure = loader.loadClass("org.apache.kafka.common.utils.Exit$Procedure");
        Object ending = Proxy.newProxyInstance(loader, new Class<?>[] {procedure}, (proxy, method, values) -> {
            if (exit[0] == STILL_RUNNING)
                exit[0] = (Integer) values[0];
            throw new Ended(exit[0]);
        });
        exits.getMethod("setExitProcedure", procedure).invoke(null, ending);
        exits.getMethod("setHaltProcedure", procedure).invoke(null, ending);
        Class<?> adder = loader.loadClass("org.apache.kafka.common.utils.Exit$ShutdownHookAdder");
        Object adding = Proxy.newProxyInstance(loader, new Class<?>[] {adder}, (proxy, method, values) -> {
            hooks.add((Runnable) values[1]);
            return null;
        });
        exits.getMethod("setShutdownHookAdder", adder).invoke(null, adding);
    }

    private interface Body {
        Object run() throws Throwable;
    }

    /** What is printed through Scala's Console goes where System.out led when that was first used. */
    private static void withScalasConsole(ClassLoader loader, PrintStream stream, Body body) throws Throwable {
        Class<?> console = loader.loadClass("scala.Console$");
        Class<?> function = loader.loadClass("scala.Function0");
        Throwable[] failure = {null};
        Object called = Proxy.newProxyInstance(loader, new Class<?>[] {function}, (proxy, method, values) -> {
            try {
                body.run();
            } catch (Throwable thrown) {
                failure[0] = thrown;
            }
            return null;
        });
        console.getMethod("withOut", java.io.OutputStream.class, function)
            .invoke(console.getField("MODULE$").get(null), stream, called);
        if (failure[0] != null)
            throw failure[0];
    }

    private static ClassLoader newLoader() {
        try {
            List<URL> path = new ArrayList<>();
            for (String each : System.getProperty("tools.path").split(File.pathSeparator))
                path.add(new File(each).toURI().toURL());
            return new URLClassLoader(path.toArray(new URL[0]), ClassLoader.getPlatformClassLoader());
        } catch (java.net.MalformedURLException failure) {
            throw new IllegalArgumentException(failure);
        }
    }
}
